import type { Clock } from '../../base/clock.ts';
import { fromKafka, wrapKafka } from '../../events/kafka-binding.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Consumer, GroupOptions, Verdict } from '../channel.ts';
import { Offers, type Held } from '../offers.ts';
import type { Committer } from '../../clients/kafka/committer.ts';
import type { Fetched } from '../../clients/kafka/fetched.ts';
import { keptIn, type Kept, type KeptStage } from './kept-event.ts';
import type { Item, Outcomes } from './outcomes.ts';
import type { Partition } from '../../clients/kafka/partition.ts';

/** So many are ready beyond those in flight, so that a free place is taken at once. */
const READY_MAX = 16;
/** Places of one partition; more would not be told apart in `seq`. */
const PARTITIONS_MAX = 1024;
/** Weighing each event would cost more than it tells. */
const SAMPLE_EVERY = 16;
/** What a consumer that was aborted may still take before it is left to itself. */
const ABORTED_MAX_MS = 2000;

export type WorkTools = {
  readonly clock: Clock;
  readonly committer: Committer;
  readonly outcomes: Outcomes;
  /** `source` of what is wrapped because it is no CloudEvent. */
  readonly source: string;
  /** Reads the later stage of a noted event. */
  readonly readStage: (partition: Partition, offset: number) => Promise<KeptStage | undefined>;
  /** The topic has removed so many events that were still owed. */
  readonly onRemoved: (count: number) => void;
  /** Something was taken or finished: there may be room to read more. */
  readonly onRoom: () => void;
};

/**
 * The events of one group that are at hand here: takes what was read as there is room, offers it, and carries out what
 * was answered.
 *   H1  unordered, no more is taken than can be offered soon, so that memory does not grow with the backlog; retries are
 *       taken before fresh events, up to their own bound.
 *   H2  ordered, as much is taken as notes can be kept for: so far do other keys pass one that waits.
 *   H3  nothing is taken while Kafka has yet to hear of UNTOLD_MAX finished ones: a broker that is away, and not found out
 *       yet, makes no more of them come again.
 */
export class Work {
  readonly #tools: WorkTools;
  readonly #items = new Map<CloudEvent, Item>(); // held, by the event as it is offered
  #laterInFlight = 0;
  #offers: Offers;
  #partitions: readonly Partition[] = [];
  #serving: { readonly options: GroupOptions; readonly consumer: Consumer } | undefined;
  #isPaused = true;
  #turn = 0;
  #meanBytes = 0;

  constructor(tools: WorkTools) {
    this.#tools = tools;
    this.#offers = this.#newOffers();
  }

  get inFlight(): number {
    return this.#offers.inFlight;
  }

  /** Those in flight that are not offered for the first time. */
  get laterInFlight(): number {
    return this.#laterInFlight;
  }

  /** When the oldest of what is held was accepted. */
  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const { kept } of this.#items.values())
      oldest = Math.min(oldest ?? kept.acceptedMs, kept.acceptedMs);
    return oldest;
  }

  get partitions(): readonly Partition[] {
    return this.#partitions;
  }

  /** Of bodies and attributes; 0 while nothing was seen. */
  get meanBytes(): number {
    return this.#meanBytes;
  }

  get isOrdered(): boolean {
    return this.#serving?.options.isOrdered === true;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    const wrapped: Consumer = (offer, signal) => {
      const item = this.#items.get(offer.event);
      if (item === undefined) throw new Error('what is offered is held');
      const { stage } = item.kept;
      // Nobody is to be offered what was given up.
      if (stage.kind === 'bury') return Promise.resolve({ kind: 'dead', failure: stage.failure });
      return isLater(item) ? this.#again(() => consumer(offer, signal)) : consumer(offer, signal);
    };
    this.#serving = { options, consumer: wrapped };
    this.#tools.outcomes.isOrdered = options.isOrdered;
    if (this.#isPaused) return;
    this.#offers.serve(options, wrapped);
    this.fill();
  }

  async #again(offer: () => Promise<Verdict>): Promise<Verdict> {
    this.#laterInFlight += 1;
    try {
      return await offer();
    } finally {
      this.#laterInFlight -= 1;
    }
  }

  /** These are ours now; what else was held is dropped where it waits. */
  resume(partitions: readonly Partition[]): void {
    for (const partition of this.#partitions) if (!partitions.includes(partition)) partition.isGone = true;
    this.#partitions = partitions;
    this.#forgetGone();
    if (this.#offers.isStopped) this.#offers = this.#newOffers();
    this.#isPaused = false;
    if (this.#serving !== undefined) this.#offers.serve(this.#serving.options, this.#serving.consumer);
    this.fill();
  }

  /** No new offers until resume(); what is under way goes on. */
  pause(): void {
    this.#isPaused = true;
    if (this.#serving === undefined) return;
    const { options, consumer } = this.#serving;
    this.#offers.serve({ ...options, inFlightMax: 0 }, consumer);
  }

  /** Waits for what is under way, aborts it after `graceMs`, and lets go of what does not even answer then. */
  async stop(graceMs: number): Promise<void> {
    this.#isPaused = true;
    const done = new AbortController();
    const { clock } = this.#tools;
    const stopped = this.#offers.stop(graceMs).then(() => done.abort());
    await Promise.race([stopped, clock.until(clock.nowMs() + graceMs + ABORTED_MAX_MS, done.signal)]);
  }

  /** Nothing of it is ours any more. */
  drop(): void {
    for (const partition of this.#partitions) partition.isGone = true;
    this.#partitions = [];
    this.#forgetGone();
  }

  /** Something was read: takes of it what may be taken. */
  read(): void {
    for (const partition of this.#partitions) this.#passMarks(partition);
    this.fill();
  }

  fill(): void {
    if (this.#isPaused || this.#serving === undefined || this.#tools.committer.isBehind) return; // H3
    const { isOrdered } = this;
    for (const partition of this.#partitions)
      while (partition.isRetry && partition.mayTake(isOrdered)) this.#take(partition);
    this.#takeFresh(isOrdered);
    this.#tools.onRoom();
  }

  /** From each partition by turns, so that none waits for the end of another. */
  #takeFresh(isOrdered: boolean): void {
    const count = this.#partitions.length;
    for (let misses = 0; misses < count;) {
      if (!isOrdered && this.#ready >= READY_MAX) return; // H1
      this.#turn = (this.#turn + 1) % count;
      const partition = this.#partitions[this.#turn];
      if (partition === undefined || partition.isRetry || !partition.mayTake(isOrdered)) {
        misses += 1;
      } else {
        this.#take(partition);
        misses = 0;
      }
    }
  }

  get #ready(): number {
    const { size, waiting, inFlight } = this.#offers;
    return size - waiting - inFlight;
  }

  #passMarks(partition: Partition): void {
    if (partition.passMarks()) this.#tools.committer.touch(partition);
  }

  #take(partition: Partition): void {
    const record = partition.next();
    if (record === undefined) return;
    const isOurs = partition.progress.take(record.offset, this.#tools.onRemoved);
    if (partition.isEmpty) this.#passMarks(partition);
    if (!isOurs) return;
    const read = this.#read(partition, record);
    if (this.#meanBytes === 0 || record.offset % SAMPLE_EVERY === 0) this.#weigh(bytesOf(read.event));
    partition.held += 1;
    partition.heldBytes += record.bytes;
    const item: Item = { partition, offset: record.offset, bytes: record.bytes, ...read };
    const stageAt = partition.progress.noteOf(record.offset)?.stageAt;
    if (stageAt === undefined) this.#offers.take(this.#heldOf(item));
    else void this.#takeLater(item, stageAt);
  }

  #weigh(bytes: number): void {
    this.#meanBytes = this.#meanBytes === 0 ? bytes : this.#meanBytes * 0.95 + bytes * 0.05;
  }

  /** The one behind it is not taken before, so that the order stays. */
  async #takeLater(item: Item, stageAt: number): Promise<void> {
    const { partition } = item;
    partition.isReading = true;
    const stage = await this.#tools.readStage(partition, stageAt);
    partition.isReading = false;
    if (partition.isGone) return;
    const kept = stage === undefined ? item.kept : { ...item.kept, stage };
    this.#offers.take(this.#heldOf({ ...item, kept }));
    this.fill();
  }

  #read(partition: Partition, record: Fetched): { event: CloudEvent; kept: Kept } {
    const message = record.message;
    const kept = partition.isRetry ? keptIn(message) : undefined;
    if (kept !== undefined) return { ...kept, event: withOwnBody(kept.event) };
    const read = fromKafka(message);
    const { offset, timestampMs } = record;
    const place = { source: this.#tools.source, partition: partition.id, offset, timestampMs };
    const event = withOwnBody(read.kind === 'event' ? read.event : wrapKafka(message, place));
    const note = partition.progress.noteOf(offset);
    const seq = offset * PARTITIONS_MAX + (partition.id % PARTITIONS_MAX);
    const { attempts, dueMs } = note ?? { attempts: 0, dueMs: 0 };
    return { event, kept: { seq, acceptedMs: timestampMs, attempts, dueMs, stage: { kind: 'deliver' } } };
  }

  #heldOf(item: Item): Held {
    const { event, kept } = item;
    const { stage } = kept;
    this.#items.set(event, item);
    return {
      event,
      seq: kept.seq,
      attempt: kept.attempts + 1,
      stage: stage.kind === 'bury' ? { kind: 'deadLetter', failure: stage.failure } : stage,
      dueMs: kept.dueMs,
      isGone: () => item.partition.isGone,
      conclude: (verdict) => this.#conclude(item, verdict),
    };
  }

  #conclude(item: Item, verdict: Verdict): Promise<Held | undefined> {
    if (verdict.kind !== 'settled') return this.#carryOut(item, verdict);
    this.#release(item, !item.partition.isGone);
    return NOTHING;
  }

  async #carryOut(item: Item, verdict: Verdict): Promise<Held | undefined> {
    const outcome = await this.#tools.outcomes.conclude(item, verdict);
    if (outcome.kind === 'again') return this.#heldOf(outcome.item);
    this.#release(item, outcome.kind === 'finished' && !item.partition.isGone);
    return undefined;
  }

  #release({ partition, offset, event, bytes }: Item, isFinished: boolean): void {
    this.#items.delete(event);
    partition.held -= 1;
    partition.heldBytes -= bytes;
    if (!isFinished) return;
    partition.progress.finish(offset);
    this.#tools.committer.mark(partition);
  }

  #forgetGone(): void {
    for (const [event, { partition }] of this.#items) if (partition.isGone) this.#items.delete(event);
  }

  #newOffers(): Offers {
    return new Offers(this.#tools.clock, () => this.fill());
  }
}

const NOTHING: Promise<undefined> = Promise.resolve(undefined);

/** Small bodies are views of a whole answer, which would stay in memory with them. */
function withOwnBody(event: CloudEvent): CloudEvent {
  return { ...event, body: Buffer.from(event.body) };
}

export function bytesOf({ attributes, body }: CloudEvent): number {
  let bytes = body.byteLength;
  for (const [name, value] of attributes) bytes += name.length + value.length;
  return bytes;
}

function isLater({ kept }: Item): boolean {
  return kept.attempts > 0 || kept.stage.kind !== 'deliver';
}
