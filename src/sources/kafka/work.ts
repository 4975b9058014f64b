import type { Clock } from '../../base/clock.ts';
import type { Committer } from '../../clients/kafka/committer.ts';
import type { Fetched } from '../../clients/kafka/fetched.ts';
import type { Partition } from '../../clients/kafka/partition.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { SourceTools } from '../source.ts';

/** Bodies in hand, of one source; a single event may be larger. */
const HAND_BYTES_MAX = 16 * 1024 * 1024;

export type WorkTools = {
  readonly clock: Clock;
  readonly committer: Committer;
  readonly deliver: SourceTools['deliver'];
  readonly eventOf: (partition: Partition, record: Fetched) => CloudEvent;
  readonly isOrdered: boolean;
  readonly inHandMax: number;
  /** Whether what was given to us is still ours. */
  readonly isHeld: () => boolean;
  readonly onRemoved: (count: number) => void;
  /** Something was taken or finished: there may be room to read more. */
  readonly onRoom: () => void;
};

type Item = { readonly partition: Partition; readonly abort: AbortController; done: Promise<void> };

/**
 * What is in hand of one source: takes what was read as there is room, delivers it, and says what the sink has taken.
 *   L1  at most `inHandMax` events and HAND_BYTES_MAX are in hand, of all partitions, and one of each when ordered.
 *   L2  an offset is finished only once the sink has taken its event, or has said that it never will.
 *   L3  what is in hand of a partition that others own now is given up.
 *   L4  nothing is taken while Kafka has yet to hear of UNTOLD_MAX finished ones, so no more are repeated after a crash.
 */
export class Work {
  readonly #tools: WorkTools;
  readonly #items = new Set<Item>();
  #partitions: readonly Partition[] = [];
  #bytes = 0;
  #turn = 0;
  #isPaused = true;
  #isClosed = false;

  constructor(tools: WorkTools) {
    this.#tools = tools;
  }

  get partitions(): readonly Partition[] {
    return this.#partitions;
  }

  get inHand(): number {
    return this.#items.size;
  }

  /** These are ours now, and no others. */
  resume(partitions: readonly Partition[]): void {
    for (const partition of this.#partitions) if (!partitions.includes(partition)) partition.isGone = true;
    this.#partitions = partitions;
    this.#abortGone();
    this.#isPaused = false;
    this.fill();
  }

  /** Takes nothing more until resume(); what is in hand goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  /** Waits for what is in hand. */
  async drain(graceMs: number): Promise<void> {
    const { clock } = this.#tools;
    const done = new AbortController();
    const all = Promise.all([...this.#items].map((item) => item.done)).then(() => done.abort());
    await Promise.race([all, clock.until(clock.nowMs() + graceMs, done.signal)]);
  }

  /** Takes nothing more ever; what is in hand may still be taken within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#isPaused = true;
    this.#isClosed = true;
    await this.drain(graceMs);
  }

  /** Nothing is ours any more, and what is in hand is given up; resolves once that is over. */
  async drop(): Promise<void> {
    this.#isPaused = true;
    for (const partition of this.#partitions) partition.isGone = true;
    this.#partitions = [];
    this.#abortGone();
    await Promise.all([...this.#items].map((item) => item.done));
  }

  /** Something was read. */
  read(): void {
    for (const partition of this.#partitions) this.#passMarks(partition);
    this.fill();
  }

  /** Takes from each partition by turns, so that none waits for the end of another. */
  fill(): void {
    const { committer, isHeld, onRoom } = this.#tools;
    if (this.#isPaused || committer.isBehind || !isHeld()) return; // L4
    const count = this.#partitions.length;
    for (let misses = 0; misses < count && this.#hasRoom();) {
      this.#turn = (this.#turn + 1) % count;
      const partition = this.#partitions[this.#turn];
      if (partition !== undefined && this.#mayTake(partition)) {
        this.#take(partition);
        misses = 0;
      } else {
        misses += 1;
      }
    }
    onRoom();
  }

  /** L1 */
  #hasRoom(): boolean {
    const { size } = this.#items;
    return size === 0 || (size < this.#tools.inHandMax && this.#bytes < HAND_BYTES_MAX);
  }

  #mayTake(partition: Partition): boolean {
    return partition.mayTake(false) && (!this.#tools.isOrdered || partition.held === 0);
  }

  #take(partition: Partition): void {
    const record = partition.next();
    if (record === undefined) return;
    const isOwed = partition.progress.take(record.offset, this.#tools.onRemoved);
    if (partition.isEmpty) this.#passMarks(partition);
    if (!isOwed) return;
    partition.held += 1;
    partition.heldBytes += record.bytes;
    this.#bytes += record.bytes;
    const item: Item = { partition, abort: new AbortController(), done: Promise.resolve() };
    this.#items.add(item);
    item.done = this.#deliver(item, record);
  }

  async #deliver(item: Item, record: Fetched): Promise<void> {
    const { partition, abort } = item;
    const { deliver, eventOf, committer } = this.#tools;
    let isOver = false;
    try {
      await deliver(eventOf(partition, record), abort.signal);
      isOver = true;
    } catch (error) {
      if (!abort.signal.aborted && !this.#isClosed) throw error;
    }
    this.#items.delete(item);
    partition.held -= 1;
    partition.heldBytes -= record.bytes;
    this.#bytes -= record.bytes;
    if (!isOver || partition.isGone) return; // L3
    partition.progress.finish(record.offset); // L2
    committer.mark(partition);
    this.fill();
  }

  #passMarks(partition: Partition): void {
    if (partition.passMarks()) this.#tools.committer.touch(partition);
  }

  /** L3 */
  #abortGone(): void {
    for (const { partition, abort } of this.#items) if (partition.isGone) abort.abort();
  }
}
