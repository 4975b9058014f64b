/** What a revision has used in some span of time. */
export type Figures = {
  readonly requests: number;
  /** Of instances, from the start of each to its end. */
  readonly instanceSeconds: number;
  readonly cpuSeconds: number;
  /** Memory in RAM, times how long it was held. */
  readonly gibSeconds: number;
};
export type Consumer = { readonly namespace: string; readonly service: string; readonly revision: string };
export type UsageRow = Consumer & Figures;

export const HOUR_MS = 3_600_000;
/** In one hour, and in all; what comes beyond is counted together, as `other` (P6). */
const ROWS_MAX = 10_000;
export const OTHER = 'other';
const NOTHING: Figures = { requests: 0, instanceSeconds: 0, cpuSeconds: 0, gibSeconds: 0 };

type Rows = Map<string, UsageRow>;

/**
 * What revisions use, hour by hour and since ever. It is asked now and then for what has changed, so that somebody else keeps
 * it; an hour that is over is forgotten here once it was asked for.
 */
export class UsageLedger {
  readonly #hours = new Map<number, Rows>();
  readonly #total: Rows;
  readonly #changed = new Set<number>();

  /** Goes on from what was kept: since ever, and of the hour that is not over. */
  constructor(
    total: readonly UsageRow[] = [],
    hour?: { readonly hour: number; readonly rows: readonly UsageRow[] },
  ) {
    this.#total = rowsOf(total);
    if (hour !== undefined) this.#hours.set(hour.hour, rowsOf(hour.rows));
  }

  add(consumer: Consumer, used: Partial<Figures>, atMs: number): void {
    const hour = Math.floor(atMs / HOUR_MS);
    const rows = this.#hours.get(hour) ?? new Map<string, UsageRow>();
    this.#hours.set(hour, rows);
    this.#changed.add(hour);
    count(rows, consumer, used);
    count(this.#total, consumer, used);
  }

  get isChanged(): boolean {
    return this.#changed.size > 0;
  }

  get total(): readonly UsageRow[] {
    return [...this.#total.values()];
  }

  /** What of this hour is known here; undefined: it was not used in it, or it has been handed on for good. */
  rowsOf(hour: number): readonly UsageRow[] | undefined {
    const rows = this.#hours.get(hour);
    return rows === undefined ? undefined : [...rows.values()];
  }

  /** The hours that have changed since it was asked last, whole; to be kept in place of what was kept of them. */
  takeChanged(nowMs: number): readonly { readonly hour: number; readonly rows: readonly UsageRow[] }[] {
    const taken = [...this.#changed].map((hour) => ({ hour, rows: this.rowsOf(hour) ?? [] }));
    this.#changed.clear();
    const current = Math.floor(nowMs / HOUR_MS);
    for (const hour of this.#hours.keys()) if (hour < current - 1) this.#hours.delete(hour);
    return taken;
  }

  /** What was taken could not be kept: it is handed out again. */
  putBack(hours: readonly { readonly hour: number; readonly rows: readonly UsageRow[] }[]): void {
    for (const { hour, rows } of hours) {
      if (!this.#hours.has(hour)) this.#hours.set(hour, rowsOf(rows));
      this.#changed.add(hour);
    }
  }
}

/** Rows of several hours as one row for each revision, or for each Service. */
export function summed(rows: readonly UsageRow[], by: 'service' | 'revision'): readonly UsageRow[] {
  const sums: Rows = new Map();
  for (const { requests, instanceSeconds, cpuSeconds, gibSeconds, ...consumer } of rows) {
    const figures = { requests, instanceSeconds, cpuSeconds, gibSeconds };
    count(sums, by === 'service' ? { ...consumer, revision: '' } : consumer, figures);
  }
  return [...sums.values()].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function rowsOf(rows: readonly UsageRow[]): Rows {
  return new Map(rows.map((row) => [keyOf(row), row]));
}

function keyOf({ namespace, service, revision }: Consumer): string {
  return `${namespace}/${service}/${revision}`;
}

function count(rows: Rows, consumer: Consumer, used: Partial<Figures>): void {
  const isKnown = rows.has(keyOf(consumer)) || rows.size < ROWS_MAX;
  const whose = isKnown ? consumer : { namespace: OTHER, service: OTHER, revision: OTHER };
  const before = rows.get(keyOf(whose)) ?? NOTHING;
  rows.set(keyOf(whose), {
    ...whose,
    requests: before.requests + (used.requests ?? 0),
    instanceSeconds: before.instanceSeconds + (used.instanceSeconds ?? 0),
    cpuSeconds: before.cpuSeconds + (used.cpuSeconds ?? 0),
    gibSeconds: before.gibSeconds + (used.gibSeconds ?? 0),
  });
}
