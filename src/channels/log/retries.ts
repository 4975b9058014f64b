import { DueList, type Due } from './due-list.ts';
import type { GroupHost } from './group.ts';
import type { OwedRow } from './protocol.ts';

const DUE_MAX = 4096;
const PAGE = 1024;
const START_OF_TIME = { dueMs: -1, seq: 0 };

type Owed = Omit<OwedRow, 'stage'>;

/** What a group owes at a later time: the soonest of it in memory, all of it on disk, one timer for the first. */
export class Retries {
  readonly #host: GroupHost;
  readonly #group: number;
  readonly #onDue: () => void;
  readonly #isInFlight: (seq: number) => boolean;
  readonly #list = new DueList(DUE_MAX);
  #isLoading = false;
  #timer: { readonly dueMs: number; readonly cancel: AbortController } | undefined;

  constructor(
    host: GroupHost,
    { group, hasOwed }: { readonly group: number; readonly hasOwed: boolean },
    { onDue, isInFlight }: { readonly onDue: () => void; readonly isInFlight: (seq: number) => boolean },
  ) {
    this.#host = host;
    this.#group = group;
    this.#onDue = onDue;
    this.#isInFlight = isInFlight;
    if (hasOwed) this.#list.extendTo(START_OF_TIME); // nothing of it is here yet
  }

  seqs(): Iterable<number> {
    return this.#list.seqs();
  }

  push(due: Due): void {
    this.#list.push(due, this.#isLoading);
  }

  /** Takes the first that is due now; when the list has run empty, the next page is fetched. */
  takeDue(): Due | undefined {
    const first = this.#list.peek();
    if (first === undefined && this.#list.horizon !== undefined) void this.#load();
    return first !== undefined && first.dueMs <= this.#host.clock.nowMs() ? this.#list.pop() : undefined;
  }

  /** Calls `onDue` once the first is due. */
  arm(): void {
    const dueMs = this.#list.peek()?.dueMs;
    if (dueMs === undefined || (this.#timer !== undefined && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.cancel.abort();
    const timer = { dueMs, cancel: new AbortController() };
    this.#timer = timer;
    void this.#host.clock.until(dueMs, timer.cancel.signal).then(() => {
      if (this.#timer !== timer) return;
      this.#timer = undefined;
      this.#onDue();
    });
  }

  stop(): void {
    this.#timer?.cancel.abort();
    this.#timer = undefined;
  }

  /** All that is owed, in the order of the channel: what an ordered group begins with. The caller pushes what is next. */
  async takeAll(): Promise<readonly Owed[]> {
    const all: Owed[] = [];
    for (let after = START_OF_TIME; ;) {
      const rows = await this.#host.readOwed(this.#group, after, PAGE);
      all.push(...rows);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) break;
      after = { dueMs: last.dueMs, seq: last.seq };
    }
    this.#list.extendTo(undefined);
    return all.toSorted((a, b) => a.seq - b.seq);
  }

  async #load(): Promise<void> {
    const { horizon } = this.#list;
    if (this.#isLoading || horizon === undefined) return;
    this.#isLoading = true; // from here on every retry is taken into the list, however late it is due
    await this.#host.flushed();
    const rows = await this.#host.readOwed(this.#group, horizon, PAGE);
    for (const { seq, dueMs, attempts, lane } of rows) {
      const isKnown = this.#isInFlight(seq) || this.#list.has(seq);
      if (!isKnown)
        this.#list.push({ seq, dueMs, attempts, lane: lane ?? undefined, stage: undefined }, true);
    }
    const last = rows.length < PAGE ? undefined : rows.at(-1);
    this.#list.extendTo(last && { dueMs: last.dueMs, seq: last.seq });
    this.#isLoading = false;
    this.#onDue();
  }
}
