import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { isHeard, publishSignal } from '../../telemetry/signals.ts';
import type { Pending } from './batch.ts';
import { boundsFor, type LogBounds } from './bounds.ts';
import { CommitLoop } from './commit-loop.ts';
import type { Group } from './group.ts';
import type { Change, Kept } from './group-host.ts';
import { LogChannel } from './log-channel.ts';
import type { RequestName, Requests } from './protocol.ts';
import { TailCache } from './tail-cache.ts';
import { WorkerClient } from './worker-client.ts';

export type LogOptions = {
  readonly file: string;
  readonly clock: Clock;
  readonly bounds?: Partial<LogBounds>;
  /** Packed journal rows to write with the next commit; asked once for each. */
  readonly journal?: { take(): Uint8Array | undefined };
  readonly acceptLoss?: boolean;
  /** How long close() waits for running consumers. */
  readonly graceMs?: number;
};

const GRACE_MS = 30_000; // contract.md, drain at stop
const TRIM_EVERY_MS = 10_000;
const TRIM_AGAIN_MS = 20;
const TRIM_ROWS = 1000;
/** Measured: a checkpoint of 4 MB holds a commit up for 10 ms, of 1 MB for 3 ms. */
const WAL_BYTES = 4_096_000;

/**
 * The embedded log: all channels of a platform in one SQLite file, written by one worker thread.
 *   L1  a publisher is answered after the commit that holds its event, never before (P1).
 *   L2  one commit is under way at a time; what comes meanwhile shares the next one.
 *   L3  retention removes only what every group has settled; what is owed never goes by age or size (P2), not even while
 *       nobody consumes.
 *   L4  a database that holds fewer events than were acknowledged is not opened without being told to.
 *   L5  a failed write is final: `lost` aborts and nothing is acknowledged any more. A full disk is not: the commit is
 *       undone, publishers are refused, and what was settled rides on a later one.
 */
export class LogStore {
  readonly clock: Clock;
  readonly bounds: LogBounds;
  readonly tail: TailCache;
  readonly graceMs: number;
  readonly #worker: WorkerClient;
  readonly #commits: CommitLoop;
  readonly #lost = new AbortController();
  readonly #stop = new AbortController();
  readonly #channels = new Map<string, Promise<LogChannel>>();
  readonly #owed = new Map<LogChannel, number>();
  #owedBytes = 0;
  #queuedBytes = 0;
  #dead = { letters: 0, bytes: 0 };
  #closing: Promise<void> | undefined;

  private constructor(options: LogOptions, bounds: LogBounds, worker: WorkerClient) {
    this.clock = options.clock;
    this.bounds = bounds;
    this.graceMs = options.graceMs ?? GRACE_MS;
    this.tail = new TailCache(bounds.tailCacheBytes);
    this.#worker = worker;
    this.#commits = new CommitLoop({
      worker,
      clock: options.clock,
      journal: options.journal,
      onDurable: (batch, seqs) => this.#announce(batch, seqs),
    });
  }

  /** Opens the log or makes it; rejects with LOG_LOSS, FORMAT_NEWER or LOG_FAILED. */
  static async open(options: LogOptions): Promise<LogStore> {
    const { file, acceptLoss = false } = options;
    const bounds = boundsFor(file, options.bounds);
    const { journalBytesMax } = bounds;
    let opened: LogStore | undefined;
    const onFailure = (error: PlatformError): void => {
      if (opened !== undefined) opened.#fail(error);
    };
    const worker = await WorkerClient.open(
      { file, acceptLoss, journalBytesMax, walBytes: WAL_BYTES },
      onFailure,
    );
    const store = (opened = new LogStore(options, bounds, worker));
    store.#dead = await worker.ask('deadTotals', undefined);
    void store.#trimNowAndThen();
    return store;
  }

  /** Aborts, with a PlatformError that names the file as its reason, when the database has failed. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Failed or closed. */
  get isOver(): boolean {
    return this.lost.aborted || this.#stop.signal.aborted;
  }

  /** The channel that keeps the events of the object `uid`; `key` is `Kind/namespace/name`. */
  channel(key: string, uid: string): Promise<LogChannel> {
    const known = this.#channels.get(uid);
    if (known !== undefined) return known;
    const opening = this.ask('openChannel', { key, uid }).then((opened) => new LogChannel(this, key, opened));
    this.#channels.set(uid, opening);
    opening.catch(() => this.#channels.delete(uid));
    return opening;
  }

  /** Whether the object `uid` has ever had a channel, and it was not removed. */
  hasChannel(uid: string): Promise<boolean> {
    return this.ask('hasChannel', { uid });
  }

  /** Removes a channel and all that it holds; says how many events its groups still owed. */
  async removeChannel(uid: string, key = ''): Promise<number> {
    const channel = await this.channel(key, uid);
    let owed = 0;
    for (const name of channel.groupNames) owed += await channel.forget(name);
    await channel.close();
    await this.ask('removeChannel', { channel: channel.id });
    return owed;
  }

  /** The journal's rows of that time and later, as `take()` had given them. */
  journalRows(sinceMs: number): Promise<readonly Uint8Array[]> {
    return this.ask('journal', { sinceMs });
  }

  /** Writes a consistent copy beside a running log; opened as events.db it is the restore. */
  async backup(file: string): Promise<void> {
    await this.flushed();
    await this.ask('backup', { file });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    const opened = await Promise.allSettled(this.#channels.values());
    const channels = opened.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
    await Promise.all(channels.map((channel) => channel.close()));
    await this.flushed(); // the journal's last rows
    this.#stop.abort();
    await this.#worker.close();
  }

  // What channels and groups of this folder call.

  ask<Name extends RequestName>(name: Name, input: Requests[Name]['in']): Promise<Requests[Name]['out']> {
    return this.#worker.ask(name, input);
  }

  faultFor(bytes: number): PlatformError | undefined {
    const { eventBytesMax, backlogBytesMax } = this.bounds;
    if (this.lost.aborted)
      return new PlatformError('CHANNEL_LOST', 'the log has failed', { retryable: true });
    if (bytes > eventBytesMax)
      return new PlatformError('EVENT_TOO_LARGE', `larger than ${eventBytesMax} bytes`, { retryable: false });
    if (this.#owedBytes + this.#queuedBytes + bytes <= backlogBytesMax) return undefined;
    const message = `the log owes ${this.#owedBytes} bytes, of at most ${backlogBytesMax}`;
    return new PlatformError('CHANNEL_FULL', message, { retryable: true });
  }

  queued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  owes(channel: LogChannel, bytes: number): void {
    this.#owedBytes += bytes - (this.#owed.get(channel) ?? 0);
    this.#owed.set(channel, bytes);
  }

  closed(channel: LogChannel): void {
    this.owes(channel, 0);
    this.#owed.delete(channel);
    for (const [uid, opening] of this.#channels)
      void opening.then((opened) => opened === channel && this.#channels.delete(uid));
  }

  enqueue(pending: Pending): void {
    this.#commits.enqueue(pending);
  }

  note(change: Change): void {
    this.#commits.note(change);
  }

  touch(group: Group, channel: LogChannel): void {
    this.#commits.touch(group, channel);
  }

  /** Resolves once what has been noted so far is durable, or never will be. */
  flushed(): Promise<void> {
    return this.#commits.flushed();
  }

  takeDeadRoom(bytes: number): boolean {
    const { letters, bytes: held } = this.#dead;
    if (letters >= this.bounds.deadLettersMax || held + bytes > this.bounds.deadBytesMax) return false;
    this.#dead = { letters: letters + 1, bytes: held + bytes };
    return true;
  }

  /** Removes some of what nobody needs any more, and says whether there is more; the store does so by itself. */
  async trim(): Promise<boolean> {
    const { keepMs, keepBytes } = this.bounds;
    const beforeMs = this.clock.nowMs() - keepMs;
    const removed = await this.ask('trim', { beforeMs, keepBytes, rowsMax: TRIM_ROWS });
    const { letters, bytes } = this.#dead;
    this.#dead = { letters: letters - removed.letters, bytes: bytes - removed.letterBytes };
    return removed.isMore;
  }

  #fail(error: PlatformError): void {
    this.#lost.abort(error);
    this.#commits.fail(error);
  }

  /** L1: only now are publishers answered, and only then are groups offered the events. */
  #announce(batch: readonly Pending[], seqs: readonly number[]): void {
    const perChannel = new Map<LogChannel, (Kept & { seq: number })[]>();
    for (const [i, { channel, event, bytes, resolve }] of batch.entries()) {
      const seq = seqs[i] ?? 0;
      resolve();
      const kept = perChannel.get(channel);
      if (kept === undefined) perChannel.set(channel, [{ seq, event, bytes }]);
      else kept.push({ seq, event, bytes });
    }
    if (isHeard('channel.accepted')) this.#tell(batch, seqs);
    for (const [channel, kept] of perChannel) channel.committed(kept);
  }

  #tell(batch: readonly Pending[], seqs: readonly number[]): void {
    const durableMs = this.clock.nowMs();
    for (const [i, { channel, event, bytes, atMs }] of batch.entries()) {
      const { attributes } = event;
      publishSignal('channel.accepted', {
        id: attributes.get('id') ?? '',
        source: attributes.get('source') ?? '',
        type: attributes.get('type') ?? '',
        atMs,
        durableMs,
        channel: channel.key,
        seq: seqs[i] ?? 0,
        bytes,
        groups: channel.groupNames,
      });
    }
  }

  async #trimNowAndThen(): Promise<void> {
    let pauseMs = TRIM_EVERY_MS;
    while (!this.isOver) {
      await this.clock.until(this.clock.nowMs() + pauseMs, this.#stop.signal);
      if (this.isOver) return;
      pauseMs = (await this.#isMoreToTrim()) ? TRIM_AGAIN_MS : TRIM_EVERY_MS;
    }
  }

  async #isMoreToTrim(): Promise<boolean> {
    try {
      return await this.trim();
    } catch (error) {
      if (this.isOver || (error instanceof PlatformError && error.code === 'STORE_FULL')) return false;
      throw error;
    }
  }
}
