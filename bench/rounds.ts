import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What one run of one side came to, by the name that the table shows. */
export type Figures = Readonly<Record<string, number>>;
export type Side = () => Promise<Figures>;
export type Spread = {
  readonly samples: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
};
export type Table = Readonly<Record<string, Spread>>;

/**
 * Runs two sides in turn, each first in every other round, after one round that only warms both. Figures are paired round
 * by round, since such machines drift by a factor of two within minutes; `compare` makes of each pair what counts, and
 * its names come first. Figures of a side are shown under `ours …` and `baseline …`.
 */
export async function pairRounds(
  rounds: number,
  sides: { readonly ours: Side; readonly baseline: Side },
  compare: (ours: Figures, baseline: Figures) => Figures,
): Promise<Table> {
  await sides.ours();
  await sides.baseline();
  const rows: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const early = round % 2 === 0 ? await sides.ours() : undefined;
    const baseline = await sides.baseline();
    const ours = early ?? (await sides.ours());
    rows.push({
      ...compare(ours, baseline),
      ...prefixed('ours', ours),
      ...prefixed('baseline', baseline),
      'fdatasync p50 ms': fdatasyncMs(),
    });
  }
  return tableOf(rows);
}

/** One spread for each name, over all rows that have it. */
export function tableOf(rows: readonly Figures[]): Table {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      spreadOf(rows.map((row) => row[name]).filter((value) => value !== undefined)),
    ]),
  );
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    samples: sorted.length,
    min: sorted[0] ?? Number.NaN,
    median: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

function prefixed(side: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${side} ${name}`, value]));
}

/** The p50 of an fdatasync after 4 KiB, on the disk that the benches use. */
export function fdatasyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sync-'));
  const handle = openSync(join(folder, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < 50; i += 1) {
    writeSync(handle, block);
    const startMs = performance.now();
    fdatasyncSync(handle);
    times.push(performance.now() - startMs);
  }
  closeSync(handle);
  rmSync(folder, { recursive: true });
  return quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  );
}
