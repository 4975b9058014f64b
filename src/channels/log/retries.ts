import { DueList, type Due } from './due-list.ts';
import { whileOpen, type GroupHost } from './group-host.ts';
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
  readonly #isHeld: (seq: number) => boolean;
  readonly #list = new DueList(DUE_MAX);
  /** What left the list or the flights while a page is being read: the page may still tell of it as it was. */
  readonly #movedMeanwhile = new Set<number>();
  #timer: { readonly dueMs: number; readonly cancel: AbortController } | undefined;

  /** `isHeld`: an event is in flight, or waits in its lane, whatever its row on disk says. */
  constructor(host: GroupHost, group: number, on: { due: () => void; isHeld: (seq: number) => boolean }) {
    this.#host = host;
    this.#group = group;
    this.#onDue = on.due;
    this.#isHeld = on.isHeld;
  }

  /** There are rows on disk that were not read yet. */
  expectAll(): void {
    this.#list.expectAll();
  }

  seqs(): Iterable<number> {
    return this.#list.seqs();
  }

  push(due: Due): void {
    if (this.#list.isLoading) this.#movedMeanwhile.add(due.seq);
    this.#list.push(due);
  }

  /** A flight has ended. */
  left(seq: number): void {
    if (this.#list.isLoading) this.#movedMeanwhile.add(seq);
  }

  /** Takes the first that is due now; when the list ends before that, the next page is fetched. */
  takeDue(): Due | undefined {
    const first = this.#list.peek();
    if (first === undefined) {
      if (this.#list.horizon !== undefined && !this.#list.isLoading) void this.#load();
      return undefined;
    }
    if (first.dueMs > this.#host.clock.nowMs()) return undefined;
    if (this.#list.isLoading) this.#movedMeanwhile.add(first.seq);
    return this.#list.pop();
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
  async readAll(): Promise<readonly Owed[]> {
    const all: Owed[] = [];
    for (let after = START_OF_TIME; ;) {
      const rows = await this.#host.readOwed(this.#group, after, PAGE);
      all.push(...rows);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) break;
      after = { dueMs: last.dueMs, seq: last.seq };
    }
    return all.toSorted((a, b) => a.seq - b.seq);
  }

  #load(): Promise<void> {
    this.#list.beginLoad();
    this.#movedMeanwhile.clear();
    return whileOpen(this.#host, async () => {
      const { horizon } = this.#list;
      if (horizon === undefined) return;
      await this.#host.flushed(); // what was noted before is on disk now, what is noted meanwhile is remembered
      const rows = await this.#host.readOwed(this.#group, horizon, PAGE);
      for (const { seq, dueMs, attempts, lane } of rows) {
        if (this.#movedMeanwhile.has(seq) || this.#list.has(seq) || this.#isHeld(seq)) continue;
        this.#list.push({ seq, dueMs, attempts, lane: lane ?? undefined, stage: undefined });
      }
      const last = rows.length < PAGE ? undefined : rows.at(-1);
      this.#list.endLoad(last && { dueMs: last.dueMs, seq: last.seq });
      this.#onDue();
    });
  }
}
