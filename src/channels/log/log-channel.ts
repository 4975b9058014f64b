import { PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import { decodeHead, encodeHead } from '../../events/head.ts';
import type { Backlog, Channel, Consumer, DeadLetter, DeadLetterStore, GroupOptions } from '../channel.ts';
import { Group, type GroupHost, type Kept, type Loaded } from './group.ts';
import type { LogStore } from './log-store.ts';
import { CHANNEL_SPAN, type PageRow } from './protocol.ts';

const PAGE_EVENTS = 256;
const PAGE_BYTES = 4 * 1024 * 1024;

/** One channel of the embedded log. Every promise of Channel holds, and the bounds of the store (LogBounds). */
export class LogChannel implements Channel, DeadLetterStore {
  readonly id: number;
  readonly key: string;
  readonly #store: LogStore;
  readonly #groups = new Map<string, Group>();
  readonly #base: number;
  /** The last sequence that a batch was given; `committed` follows it. */
  assignedSeq: number;
  #committedSeq: number;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(store: LogStore, key: string, opened: { readonly id: number; readonly lastSeq: number }) {
    this.#store = store;
    this.key = key;
    this.id = opened.id;
    this.#base = opened.id * CHANNEL_SPAN;
    this.assignedSeq = opened.lastSeq;
    this.#committedSeq = opened.lastSeq;
  }

  get lost(): AbortSignal {
    return this.#store.lost;
  }

  publish(event: CloudEvent): Promise<void> {
    const head = encodeHead(event);
    const bytes = head.byteLength + event.body.byteLength;
    const fault = this.#isClosed ? closed(this.key) : (this.#store.faultFor(bytes) ?? this.#fullGroup(bytes));
    if (fault !== undefined) return Promise.reject(fault);
    return new Promise((resolve, reject) => {
      this.#store.enqueue({
        channel: this,
        event,
        head,
        bytes,
        atMs: this.#store.clock.nowMs(),
        resolve,
        reject,
      });
    });
  }

  async consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    if (this.#isClosed) throw closed(this.key);
    const known = this.#groups.get(name);
    if (known !== undefined && known.options.isOrdered === options.isOrdered)
      return known.exchange(options, consumer);
    if (known !== undefined) await this.#setAside(known);
    const start = options.start === 'latest' ? this.assignedSeq : options.start;
    const opened = await this.#store.ask('openGroup', { channel: this.id, name, start });
    const group = new Group(this.#host(), name, opened, options, consumer);
    this.#groups.set(name, group);
    await group.start();
  }

  async forget(name: string): Promise<number> {
    const known = this.#groups.get(name);
    if (known === undefined) return 0;
    this.#groups.delete(name);
    const owed = await known.stop(0);
    await this.#store.flushed();
    await this.#store.ask('forgetGroup', { channel: this.id, group: known.id });
    return owed;
  }

  backlog(): Promise<readonly Backlog[]> {
    return Promise.all([...this.#groups.values()].map((group) => group.backlog()));
  }

  async deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    await this.#store.flushed();
    const { limit, group, eventId } = query;
    const rows = await this.#store.ask('dead', { channel: this.id, limit, group, eventId });
    return rows.map(({ seq, groupName, attempts, atMs, failure, head, body }) => ({
      seq,
      group: groupName,
      attempts,
      diedMs: atMs,
      failure: JSON.parse(failure) as DeadLetter['failure'], // written by Group
      event: { ...decodeHead(head), body },
    }));
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#groups.values()].map((group) => group.stop(this.#store.graceMs)));
    await this.#store.flushed();
  }

  /** What the store says once a batch is durable. */
  committed(kept: readonly (Kept & { readonly seq: number })[]): void {
    let bytes = 0;
    for (const { seq, event, bytes: size } of kept) {
      this.#store.tail.add(this.#base + seq, event, size, this.#groups.size);
      bytes += size;
      this.#committedSeq = seq;
    }
    for (const group of this.#groups.values()) group.accepted(kept.length, bytes);
  }

  groupNames(): string[] {
    return [...this.#groups.keys()];
  }

  /** Bytes owed here: those of the group that owes most, since a body is stored once for all. */
  owedBytes(): number {
    let most = 0;
    for (const group of this.#groups.values()) most = Math.max(most, group.owedBytes);
    return most;
  }

  /** Everything up to here is settled, or owed by a row of its own (L3). */
  settledUpTo(): number {
    let lowest = this.#committedSeq;
    for (const group of this.#groups.values()) lowest = Math.min(lowest, group.cursor);
    return lowest;
  }

  get committedSeq(): number {
    return this.#committedSeq;
  }

  #fullGroup(bytes: number): PlatformError | undefined {
    for (const group of this.#groups.values()) {
      const max = group.options.backlogBytesMax ?? this.#store.bounds.groupBacklogBytesMax;
      if (group.owedBytes + bytes > max) {
        const message = `${this.key}: subscription ${group.name} owes ${group.owedBytes} bytes, of at most ${max}`;
        return new PlatformError('CHANNEL_FULL', message, { retryable: true });
      }
    }
    return undefined;
  }

  async #setAside(group: Group): Promise<void> {
    this.#groups.delete(group.name);
    await group.stop(this.#store.graceMs);
    await this.#store.flushed();
  }

  #host(): GroupHost {
    const store = this.#store;
    return {
      clock: store.clock,
      channelKey: this.key,
      lost: store.lost,
      channel: this.id,
      lastSeq: () => this.#committedSeq,
      cached: (seq) => store.tail.get(this.#base + seq),
      settled: (seq) => store.tail.settle(this.#base + seq),
      readPage: async (after) => {
        const input = { channel: this.id, after, eventsMax: PAGE_EVENTS, bytesMax: PAGE_BYTES };
        return (await store.ask('page', input)).map(loaded);
      },
      readEvent: async (seq) => {
        const row = await store.ask('event', { channel: this.id, seq });
        return row && loaded(row);
      },
      readStage: async (group, seq) => (await store.ask('stage', { group, seq })) ?? null,
      readOwed: (group, { dueMs, seq }, rowsMax) => store.ask('owedAfter', { group, dueMs, seq, rowsMax }),
      note: (change) => store.note(change),
      touch: (group) => store.touch(group),
      flushed: () => store.flushed(),
      takeDeadRoom: (bytes) => store.takeDeadRoom(bytes),
    };
  }
}

function loaded({ seq, atMs, head, body, isDamaged }: PageRow): Loaded {
  const event = isDamaged ? undefined : { ...decodeHead(head), body };
  return { seq, atMs, event, bytes: head.byteLength + body.byteLength };
}

function closed(key: string): PlatformError {
  return new PlatformError('CHANNEL_CLOSED', `${key} is closed`, { retryable: true });
}
