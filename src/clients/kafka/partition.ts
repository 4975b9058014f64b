import type { Fetched } from './fetched.ts';
import type { Progress } from './progress.ts';

/** Unfinished events of one partition at most; see G3 in progress.ts for why. */
export const UNFINISHED_MAX = 300;
/** The same where each may have a note of its own, in an ordered group: so far can other keys go on past one that waits. */
export const NOTED_MAX = 100;
/** Retries that are at hand, of one class of delays. */
const WAITING_MAX = 200;
/** Bodies at hand, of one partition; a single event may be larger. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** A partition that is ours for now: how far it is read, what was read and not taken yet, and what is unfinished. */
export class Partition {
  readonly topic: string;
  readonly id: number;
  readonly isRetry: boolean;
  readonly progress: Progress;
  queueBytes = 0;
  /** Where the next fetch begins. */
  position: number;
  /** Others own it, or will: nothing more is committed or written for it. */
  isGone = false;
  /** A later stage is being read; until then nothing is taken, so that the order stays. */
  isReading = false;
  /** Counts what was finished or noted; a commit makes `committedVersion` catch up. */
  version = 0;
  committedVersion = 0;
  /** Finished, and Kafka has yet to hear of it. */
  untold = 0;
  held = 0;
  heldBytes = 0;
  #read: Fetched[] = []; // and not taken, from #head on
  #head = 0;

  constructor(
    place: { readonly topic: string; readonly id: number; readonly isRetry: boolean },
    progress: Progress,
  ) {
    this.topic = place.topic;
    this.id = place.id;
    this.isRetry = place.isRetry;
    this.progress = progress;
    this.position = progress.wanted;
  }

  /** Everything that was read is taken. */
  get isEmpty(): boolean {
    return this.#head >= this.#read.length;
  }

  get isDirty(): boolean {
    return this.version > this.committedVersion;
  }

  /** Whether one more of what was read may be taken. */
  mayTake(isOrdered: boolean): boolean {
    if (this.isEmpty || this.isReading || this.isGone) return false;
    if (this.held === 0) return true;
    const heldMax = this.isRetry ? WAITING_MAX : isOrdered ? NOTED_MAX : UNFINISHED_MAX;
    return this.held < heldMax && this.heldBytes < HELD_BYTES_MAX;
  }

  accept(records: readonly Fetched[], nextPosition: number): void {
    this.#read = [...this.#read.slice(this.#head), ...records];
    this.#head = 0;
    for (const { bytes } of records) this.queueBytes += bytes;
    this.position = Math.max(this.position, nextPosition);
  }

  /** What was read last were marks of transactions, or what they took back: whether there is that much less to do. */
  passMarks(): boolean {
    if (!this.isEmpty || this.position <= this.progress.next) return false;
    this.progress.passTo(this.position);
    return true;
  }

  next(): Fetched | undefined {
    const record = this.#read[this.#head];
    if (record === undefined) return undefined;
    this.#head += 1;
    this.queueBytes -= record.bytes;
    if (this.isEmpty) this.#read = [];
    if (this.#read.length === 0) this.#head = 0;
    return record;
  }
}
