import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type {
  Backlog,
  Channel,
  Consumer,
  DeadLetter,
  DeadLetterStore,
  Failure,
  GroupOptions,
} from '../channel.ts';
import { tellAccepted, tellDead } from '../tell.ts';
import { MemoryGroup, type Accepted } from './memory-group.ts';

export type MemoryOptions = {
  /** What it is called where it tells of its events; without one it tells nothing. */
  readonly key?: string;
  readonly clock: Clock;
  /** Events and bytes owed at most, over all groups; past either publish() refuses. */
  readonly owedMax: number;
  readonly owedBytesMax: number;
  readonly deadLettersMax: number;
  readonly graceMs: number;
};

/** What is under way when its group is forgotten may come to its end in this time. */
const FORGET_GRACE_MS = 1000;

/**
 * Keeps events in this process: fast, and gone with it, as upstream's InMemoryChannel. 202 means accepted, not durable, a
 * new group begins with the next event whatever start it asks for, and the oldest dead letters make room for new ones.
 * All other promises of Channel hold.
 *   M1  at most `owedMax` events and `owedBytesMax` bytes are owed at a time; publish() refuses what would go past that.
 *       An event that is owed to several groups counts for each.
 */
export class MemoryChannel implements Channel, DeadLetterStore {
  readonly lost: AbortSignal = new AbortController().signal; // it has no backend that could go away
  readonly #options: MemoryOptions;
  readonly #groups = new Map<string, MemoryGroup>();
  readonly #dead: DeadLetter[] = [];
  #lastSeq = 0;
  #closed: Promise<void> | undefined;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  async publish(event: CloudEvent): Promise<void> {
    if (this.#closed !== undefined) throw refused('CHANNEL_CLOSED', 'the channel is closed');
    const bytes = bytesOf(event);
    this.#refuseIfFull(bytes);
    const seq = (this.#lastSeq += 1);
    const acceptedMs = this.#options.clock.nowMs();
    for (const group of this.#groups.values()) group.keep({ seq, event, bytes, acceptedMs });
    const { key } = this.#options;
    if (key === undefined) return;
    const groups = [...this.#groups.keys()];
    tellAccepted(event, { atMs: acceptedMs, durableMs: acceptedMs, channel: key, seq, bytes, groups });
  }

  async consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    if (this.#closed !== undefined) throw refused('CHANNEL_CLOSED', 'the channel is closed');
    const known = this.#groups.get(name);
    if (known !== undefined) return known.serve(options, consumer);
    const bury = (owed: Accepted, attempts: number, failure: Failure): void =>
      this.#bury(name, owed, attempts, failure);
    const tools = { clock: this.#options.clock, bury };
    this.#groups.set(name, new MemoryGroup(tools, options, consumer));
  }

  async forget(name: string): Promise<number> {
    const known = this.#groups.get(name);
    if (known === undefined) return 0;
    this.#groups.delete(name);
    return known.stop(FORGET_GRACE_MS);
  }

  async backlog(): Promise<readonly Backlog[]> {
    return [...this.#groups].map(([name, group]) => ({
      group: name,
      ...group.figures(),
      dead: this.#dead.filter((letter) => letter.group === name).length,
      isDeadFull: false,
    }));
  }

  async deadLetters({
    limit,
    group,
    eventId,
  }: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    return this.#dead
      .filter((each) => group === undefined || each.group === group)
      .filter(({ event }) => eventId === undefined || event.attributes.get('id') === eventId)
      .toReversed()
      .slice(0, limit);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#drain());
  }

  async #drain(): Promise<void> {
    await Promise.all(this.#groups.values().map((group) => group.stop(this.#options.graceMs)));
  }

  #refuseIfFull(bytes: number): void {
    let [owed, owedBytes] = [0, 0];
    for (const [name, group] of this.#groups) {
      const groupMax = group.options.backlogBytesMax ?? Number.POSITIVE_INFINITY;
      if (group.bytes + bytes > groupMax)
        throw refused('CHANNEL_FULL', `subscription ${name} owes ${group.bytes} bytes`);
      owed += group.size + 1;
      owedBytes += group.bytes + bytes;
    }
    const isFull = owed > this.#options.owedMax || owedBytes > this.#options.owedBytesMax;
    if (isFull) throw refused('CHANNEL_FULL', 'as many events are owed as the channel keeps'); // M1
  }

  #bury(group: string, { seq, event }: Accepted, attempts: number, failure: Failure): void {
    const diedMs = this.#options.clock.nowMs();
    this.#dead.push({ seq, group, event, failure, attempts, diedMs });
    if (this.#dead.length > this.#options.deadLettersMax) this.#dead.shift();
    const { key } = this.#options;
    if (key !== undefined) tellDead(event, { channel: key, group, atMs: diedMs }, failure);
  }
}

function bytesOf({ attributes, body }: CloudEvent): number {
  let bytes = body.byteLength;
  for (const [name, value] of attributes) bytes += name.length + value.length;
  return bytes;
}

function refused(code: string, message: string): PlatformError {
  return new PlatformError(code, message, { retryable: true });
}
