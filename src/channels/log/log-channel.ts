import { PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import { decodeHead, encodeHead } from '../../events/head.ts';
import type {
  Backlog,
  Channel,
  Consumer,
  DeadLetter,
  DeadLetterStore,
  Failure,
  GroupOptions,
} from '../channel.ts';
import { Group } from './group.ts';
import type { GroupHost, Kept, Loaded } from './group-host.ts';
import type { LogStore } from './log-store.ts';
import { CHANNEL_SPAN, type DeadPageRow, type OpenedChannel, type PageRow } from './protocol.ts';

const PAGE_EVENTS = 256;
const PAGE_BYTES = 512 * 1024;
/** What an event takes in memory beside its bytes: a map of some attributes, each a string of its own. */
const EVENT_OVERHEAD_BYTES = 1024;
/** What is under way when its group is forgotten may come to its end in this time. */
const FORGET_GRACE_MS = 1000;

/** One channel of the embedded log. Every promise of Channel holds, and the bounds of the store (LogBounds). */
export class LogChannel implements Channel, DeadLetterStore {
  readonly id: number;
  readonly key: string;
  readonly #store: LogStore;
  readonly #groups = new Map<string, Group>();
  readonly #consuming = new Map<string, Promise<void>>();
  readonly #base: number;
  /** What batches were given so far; what is committed follows it. */
  #assigned: { seq: number; total: number };
  #committed: { seq: number; total: number };
  #groupNames: readonly string[] = [];
  #queuedBytes = 0;
  /** How many bytes more the fullest group takes; counted once a commit, not once an event. */
  #room = Number.POSITIVE_INFINITY;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(store: LogStore, key: string, { id, lastSeq, totalBytes, groups }: OpenedChannel) {
    this.#store = store;
    this.key = key;
    this.id = id;
    this.#base = id * CHANNEL_SPAN;
    this.#assigned = { seq: lastSeq, total: totalBytes };
    this.#committed = { seq: lastSeq, total: totalBytes };
    for (const group of groups) this.#groups.set(group.name, new Group(this.#host(), group));
    this.recount();
  }

  get lost(): AbortSignal {
    return this.#store.lost;
  }

  publish(event: CloudEvent): Promise<void> {
    const head = encodeHead(event);
    const bytes = head.byteLength + event.body.byteLength;
    const fault = this.#isClosed ? closed(this.key) : (this.#store.faultFor(bytes) ?? this.#fullGroup(bytes));
    if (fault !== undefined) return Promise.reject(fault);
    this.#queuedBytes += bytes;
    this.#store.queued(bytes);
    const atMs = this.#store.clock.nowMs();
    return new Promise((resolve, reject) => {
      this.#store.enqueue({ channel: this, event, head, bytes, atMs, resolve, reject });
    });
  }

  /** One after the other for each group, so that two calls never make two of it. */
  consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    const before = this.#consuming.get(name) ?? Promise.resolve();
    const done = before.catch(() => undefined).then(() => this.#consume(name, options, consumer));
    this.#consuming.set(name, done);
    const forget = (): void => {
      if (this.#consuming.get(name) === done) this.#consuming.delete(name);
    };
    done.then(forget, forget);
    return done;
  }

  async #consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    if (this.#isClosed) throw closed(this.key);
    const known = this.#groups.get(name);
    const isAsBefore = known?.options === undefined || known.options.isOrdered === options.isOrdered;
    const group = known !== undefined && isAsBefore ? known : await this.#open(name, options, known);
    await group.serve(options, consumer);
    this.recount();
  }

  /** A group that changes between ordered and not begins anew from disk; until then the old one counts for it. */
  async #open(name: string, { start }: GroupOptions, known: Group | undefined): Promise<Group> {
    await known?.stop(this.#store.graceMs);
    if (known !== undefined) await this.#store.flushed();
    const group = new Group(
      this.#host(),
      await this.#store.ask('openGroup', { channel: this.id, name, start }),
    );
    this.#groups.set(name, group);
    return group;
  }

  async forget(name: string): Promise<number> {
    const known = this.#groups.get(name);
    if (known === undefined) return 0;
    this.#groups.delete(name);
    this.recount();
    const owed = await known.stop(FORGET_GRACE_MS);
    await this.#store.flushed();
    await this.#store.ask('forgetGroup', { group: known.id });
    return owed;
  }

  backlog(): Promise<readonly Backlog[]> {
    return Promise.all(this.#groups.values().map((group) => group.backlog()));
  }

  async deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    await this.#store.flushed();
    const { limit, group, eventId } = query;
    const rows = await this.#store.ask('dead', { channel: this.id, limit, group, eventId });
    return rows.map(letterOf);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#groups.values().map((group) => group.stop(this.#store.graceMs)));
    await this.#store.flushed();
    this.#store.closed(this);
  }

  // What the store and its commits call.

  get groupNames(): readonly string[] {
    return this.#groupNames;
  }

  /** The next place in this channel. */
  assign(bytes: number): { readonly seq: number; readonly total: number } {
    this.#assigned = { seq: this.#assigned.seq + 1, total: this.#assigned.total + bytes };
    return this.#assigned;
  }

  /** The last place that was given was not used. */
  giveBack(bytes: number): void {
    this.#assigned = { seq: this.#assigned.seq - 1, total: this.#assigned.total - bytes };
  }

  /** An event waits for its commit no more. */
  unqueue(bytes: number): void {
    this.#queuedBytes -= bytes;
    this.#store.queued(-bytes);
  }

  /** These are durable; groups are offered them. */
  committed(kept: readonly (Kept & { readonly seq: number })[]): void {
    let bytes = 0;
    for (const { seq, event, bytes: size } of kept) {
      this.#store.tail.add(this.#base + seq, event, size + EVENT_OVERHEAD_BYTES, this.#groups.size);
      this.unqueue(size);
      bytes += size;
      this.#committed.seq = seq;
    }
    this.#committed.total += bytes;
    for (const group of this.#groups.values()) group.accepted(kept.length, bytes);
    this.recount();
  }

  /** Takes stock of what is owed: of the group that owes most, since a body is stored once for all. */
  recount(): void {
    let [most, room] = [0, Number.POSITIVE_INFINITY];
    for (const group of this.#groups.values()) {
      most = Math.max(most, group.owedBytes);
      room = Math.min(room, this.#maxOf(group) - group.owedBytes);
    }
    this.#room = room;
    this.#store.owes(this, most);
    if (this.#groupNames.length !== this.#groups.size) this.#groupNames = [...this.#groups.keys()];
  }

  #maxOf(group: Group): number {
    return group.options?.backlogBytesMax ?? this.#store.bounds.groupBacklogBytesMax;
  }

  #fullGroup(bytes: number): PlatformError | undefined {
    if (this.#queuedBytes + bytes <= this.#room) return undefined;
    const full = this.#groups
      .values()
      .find((group) => group.owedBytes + this.#queuedBytes + bytes > this.#maxOf(group));
    if (full === undefined) return undefined;
    const message = `${this.key}: subscription ${full.name} owes ${full.owedBytes} bytes, of at most ${this.#maxOf(full)}`;
    return new PlatformError('CHANNEL_FULL', message, { retryable: true });
  }

  #host(): GroupHost {
    const store = this.#store;
    return {
      clock: store.clock,
      channelKey: this.key,
      channel: this.id,
      isOver: () => store.isOver,
      lastSeq: () => this.#committed.seq,
      totalBytes: () => this.#committed.total,
      cached: (seq) => store.tail.get(this.#base + seq),
      settled: (seq) => store.tail.settle(this.#base + seq),
      readPage: (after) => this.#readPage(after),
      readEvent: async (seq) => {
        const row = await store.ask('event', { channel: this.id, seq });
        return row === undefined ? missing(seq) : loaded(row);
      },
      readStage: async (group, seq) => (await store.ask('stage', { group, seq })) ?? null,
      readOwed: (group, after, rowsMax) => store.ask('owedAfter', { group, after, rowsMax }),
      oldestMs: (group, seqs) => store.ask('oldest', { channel: this.id, group, seqs }),
      note: (change) => store.note(change),
      touch: (group) => store.touch(group, this),
      flushed: () => store.flushed(),
      takeDeadRoom: (bytes) => store.takeDeadRoom(bytes),
    };
  }

  async #readPage(after: number): Promise<readonly Loaded[]> {
    const input = { channel: this.id, after, eventsMax: PAGE_EVENTS, bytesMax: PAGE_BYTES };
    const upTo = Math.min(after + PAGE_EVENTS, this.#committed.seq);
    const rows = new Map((await this.#store.ask('page', input)).map((row) => [row.seq, row]));
    const page: Loaded[] = [];
    const last = rows.size === 0 ? upTo : Math.max(...rows.keys());
    for (let seq = after + 1; seq <= Math.min(last, after + PAGE_EVENTS); seq += 1) {
      const row = rows.get(seq);
      page.push(row === undefined ? missing(seq) : loaded(row));
    }
    return page;
  }
}

function loaded({ seq, head, body, isDamaged }: PageRow): Loaded {
  const bytes = head.byteLength + body.byteLength;
  if (isDamaged) return { seq, bytes, event: undefined, fault: 'damaged' };
  return { seq, bytes, event: { ...decodeHead(head), body }, fault: undefined };
}

function missing(seq: number): Loaded {
  return { seq, bytes: 0, event: undefined, fault: 'missing' };
}

/** Of an event whose bytes cannot be trusted only its id is told; the failure says why. */
function letterOf({
  seq,
  group,
  attempts,
  atMs,
  failure,
  eventId,
  head,
  body,
  isDamaged,
}: DeadPageRow): DeadLetter {
  const isWhole = !isDamaged && head.byteLength > 0;
  const rest = { attributes: new Map([['id', eventId]]), contentType: undefined, body };
  return {
    seq,
    group,
    attempts,
    diedMs: atMs,
    failure: JSON.parse(failure) as Failure, // written by Group
    event: isWhole ? { ...decodeHead(head), body } : rest,
  };
}

function closed(key: string): PlatformError {
  return new PlatformError('CHANNEL_CLOSED', `${key} is closed`, { retryable: true });
}
