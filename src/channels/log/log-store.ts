import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { isHeard, publishSignal } from '../../telemetry/signals.ts';
import { batchLength, pack, type Pending } from './batch.ts';
import type { Group, Kept } from './group.ts';
import { LogChannel } from './log-channel.ts';
import type { Batch, DeadRow, OwedRow, RequestName, Requests } from './protocol.ts';
import { TailCache } from './tail-cache.ts';
import { WorkerClient } from './worker-client.ts';

export type LogBounds = {
  readonly eventBytesMax: number;
  readonly backlogBytesMax: number; // owed, over all channels
  readonly groupBacklogBytesMax: number;
  readonly tailCacheBytes: number;
  readonly deadLettersMax: number;
  readonly deadBytesMax: number;
  readonly journalBytesMax: number;
  /** What everybody has settled is kept this long for `start: earliest`, and no more than so many bytes a channel. */
  readonly keepMs: number;
  readonly keepBytes: number;
};

const MIB = 1024 * 1024;
export const LOG_BOUNDS: LogBounds = {
  eventBytesMax: 32 * MIB,
  backlogBytesMax: 10 * 1024 * MIB,
  groupBacklogBytesMax: 2.5 * 1024 * MIB,
  tailCacheBytes: 64 * MIB,
  deadLettersMax: 100_000,
  deadBytesMax: 1024 * MIB,
  journalBytesMax: 64 * MIB,
  keepMs: 3_600_000,
  keepBytes: 256 * MIB,
};

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

type Changes = { owed: OwedRow[]; paid: { group: number; seq: number }[]; dead: DeadRow[] };

/** Settles that come alone wait this long for company; what a crash may repeat is bounded by it (P4). */
const SETTLE_COMMIT_MS = 5;
const FULL_RETRY_MS = 1000;
const TRIM_EVERY_MS = 10_000;
const TRIM_ROWS = 4000;
const CHECKPOINT_BYTES = MIB;
/** Measured: a checkpoint of 1 000 pages holds a commit up for 10 ms, of 250 pages for 3 ms. */
const WAL_PAGES = 1000;

/**
 * The embedded log: all channels of a platform in one SQLite file, written by one worker thread.
 *   L1  a publisher is answered after the commit that holds its event, never before (P1).
 *   L2  one commit is under way at a time; what comes meanwhile shares the next one.
 *   L3  retention removes only what every group has settled; what is owed never goes by age or size (P2).
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
  readonly #journal: LogOptions['journal'];
  readonly #lost: AbortController;
  readonly #channels = new Map<string, LogChannel>();
  readonly #checkpoints = new Map<LogChannel, { seq: number; bytes: number }[]>();
  readonly #stop = new AbortController();
  #pending: Pending[] = [];
  #touched = new Set<Group>();
  #changes: Changes = { owed: [], paid: [], dead: [] };
  #flushWaiters: (() => void)[] = [];
  #isCommitting = false;
  #isScheduled = false;
  #dead = { letters: 0, bytes: 0 };

  private constructor(options: LogOptions, worker: WorkerClient, lost: AbortController) {
    this.clock = options.clock;
    this.bounds = { ...LOG_BOUNDS, ...options.bounds };
    this.graceMs = options.graceMs ?? 30_000;
    this.tail = new TailCache(this.bounds.tailCacheBytes);
    this.#journal = options.journal;
    this.#worker = worker;
    this.#lost = lost;
  }

  /** Opens the log or makes it; rejects with LOG_LOSS, FORMAT_NEWER or LOG_FAILED. */
  static async open(options: LogOptions): Promise<LogStore> {
    const lost = new AbortController();
    const bounds = { ...LOG_BOUNDS, ...options.bounds };
    const worker = await WorkerClient.open(
      {
        file: options.file,
        acceptLoss: options.acceptLoss ?? false,
        journalBytesMax: bounds.journalBytesMax,
        walPages: WAL_PAGES,
      },
      (error) => lost.abort(error),
    );
    const store = new LogStore(options, worker, lost);
    store.#dead = await worker.ask('deadTotals', undefined);
    void store.#trimNowAndThen();
    return store;
  }

  /** Aborts with the error when the database has failed. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** The channel that keeps the events of the object `uid`; `key` is `Kind/namespace/name`. */
  async channel(key: string, uid: string): Promise<LogChannel> {
    const known = this.#channels.get(uid);
    if (known !== undefined) return known;
    const channel = new LogChannel(this, key, await this.ask('openChannel', { key, uid }));
    this.#channels.set(uid, channel);
    return channel;
  }

  /** Removes a channel and all that it holds; says how many events its groups still owed. */
  async removeChannel(uid: string, key = ''): Promise<number> {
    const channel = await this.channel(key, uid);
    const given = await Promise.all(channel.groupNames().map((name) => channel.forget(name)));
    await channel.close();
    this.#channels.delete(uid);
    this.#checkpoints.delete(channel);
    await this.ask('removeChannel', { channel: channel.id });
    return given.reduce((sum, each) => sum + each, 0);
  }

  async journalRows(sinceMs: number): Promise<readonly Uint8Array[]> {
    return this.ask('journal', { sinceMs });
  }

  /** Writes a consistent copy beside a running log. */
  async backup(file: string): Promise<void> {
    await this.flushed();
    await this.ask('backup', { file });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#channels.values()].map((channel) => channel.close()));
    if (!this.lost.aborted) await this.flushed();
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
    if (bytes > eventBytesMax) {
      return new PlatformError('EVENT_TOO_LARGE', `larger than ${eventBytesMax} bytes`, { retryable: false });
    }
    let owed = bytes;
    for (const channel of this.#channels.values()) owed += channel.owedBytes();
    if (owed <= backlogBytesMax) return undefined;
    const message = `the log owes ${owed - bytes} bytes, of at most ${backlogBytesMax}`;
    return new PlatformError('CHANNEL_FULL', message, { retryable: true });
  }

  enqueue(pending: Pending): void {
    this.#pending.push(pending);
    this.#schedule();
  }

  note({
    owed,
    paid,
    dead,
  }: {
    owed?: OwedRow;
    paid?: { group: number; seq: number };
    dead?: DeadRow;
  }): void {
    if (owed !== undefined) this.#changes.owed.push(owed);
    if (paid !== undefined) this.#changes.paid.push(paid);
    if (dead !== undefined) this.#changes.dead.push(dead);
  }

  touch(group: Group): void {
    const isFirst = this.#touched.size === 0;
    this.#touched.add(group);
    if (isFirst && !this.#isCommitting) setTimeout(() => this.#commit(), SETTLE_COMMIT_MS);
  }

  /** Resolves once what has been noted so far is durable. */
  flushed(): Promise<void> {
    if (this.lost.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushWaiters.push(resolve);
      this.#schedule();
    });
  }

  takeDeadRoom(bytes: number): boolean {
    const { letters, bytes: held } = this.#dead;
    if (letters >= this.bounds.deadLettersMax || held + bytes > this.bounds.deadBytesMax) return false;
    this.#dead = { letters: letters + 1, bytes: held + bytes };
    return true;
  }

  /** At the end of this turn of the event loop, so that requests which came in together share a commit. */
  #schedule(): void {
    if (this.#isCommitting || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    if (this.#isCommitting || this.lost.aborted) return;
    const { owed, paid, dead } = this.#changes;
    const hasWork = this.#pending.length + this.#touched.size + owed.length + paid.length + dead.length > 0;
    const waiters = this.#flushWaiters;
    this.#flushWaiters = [];
    if (!hasWork) return waiters.forEach((resolve) => resolve());
    this.#isCommitting = true;
    void this.#commitBatch(waiters);
  }

  async #commitBatch(waiters: (() => void)[]): Promise<void> {
    const batch = this.#pending.splice(0, batchLength(this.#pending));
    const touched = this.#touched;
    this.#touched = new Set();
    const groups = [...touched].map((group) => group.row()); // may note further rows
    const changes = this.#changes;
    this.#changes = { owed: [], paid: [], dead: [] };
    const packing = batch.length > 0 ? pack(batch, batch[0]?.atMs ?? 0) : undefined;
    const message: Batch = {
      events: packing?.packed,
      groups,
      ...changes,
      journal: this.#journal?.take(),
    };
    const transfer = packing === undefined ? [] : [packing.buffer];
    try {
      await this.#worker.ask('commit', message, transfer);
      if (packing !== undefined) this.#announce(batch, packing.seqs);
    } catch (error) {
      this.#undo(error, batch, touched, changes);
      if (!this.lost.aborted) return this.#tryLater(waiters);
    }
    this.#isCommitting = false;
    for (const resolve of waiters) resolve();
    if (this.#pending.length > 0 || this.#flushWaiters.length > 0 || this.#touched.size > 0) this.#commit();
  }

  /** The disk is full: nothing of the batch is durable, so whoever waits for that goes on waiting. */
  #tryLater(waiters: readonly (() => void)[]): void {
    this.#flushWaiters.unshift(...waiters);
    setTimeout(() => {
      this.#isCommitting = false;
      this.#commit();
    }, FULL_RETRY_MS);
    for (const { reject } of this.#pending.splice(0)) reject(diskFull());
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
    for (const [channel, kept] of perChannel) {
      this.#checkpoint(channel, kept);
      channel.committed(kept);
    }
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
        groups: channel.groupNames(),
      });
    }
  }

  /** L5. A batch that was not written gives its sequences back: no later one was given meanwhile (L2). */
  #undo(error: unknown, batch: readonly Pending[], touched: ReadonlySet<Group>, changes: Changes): void {
    const isFull = error instanceof PlatformError && error.retryable;
    for (const { channel, reject } of batch) {
      channel.assignedSeq -= 1;
      reject(
        isFull
          ? diskFull()
          : new PlatformError('CHANNEL_LOST', 'the log has failed', { retryable: true, cause: error }),
      );
    }
    if (!isFull) return;
    for (const group of touched) this.touch(group);
    for (const name of ['owed', 'paid', 'dead'] as const)
      this.#changes[name].unshift(...(changes[name] as never[]));
    setTimeout(() => this.#commit(), 1000);
  }

  #checkpoint(channel: LogChannel, kept: readonly { readonly seq: number; readonly bytes: number }[]): void {
    const points = this.#checkpoints.get(channel) ?? [];
    if (points.length === 0) this.#checkpoints.set(channel, points);
    for (const { seq, bytes } of kept) {
      const last = points.at(-1);
      if (last === undefined || last.bytes >= CHECKPOINT_BYTES) points.push({ seq, bytes });
      else Object.assign(last, { seq, bytes: last.bytes + bytes });
    }
  }

  async #trimNowAndThen(): Promise<void> {
    let pauseMs = TRIM_EVERY_MS;
    while (!this.#stop.signal.aborted && !this.lost.aborted) {
      await this.clock.until(this.clock.nowMs() + pauseMs, this.#stop.signal);
      let removed = 0;
      for (const channel of this.#channels.values())
        removed = Math.max(removed, await this.trim(channel).catch(() => 0));
      pauseMs = removed >= TRIM_ROWS ? 50 : TRIM_EVERY_MS;
    }
  }

  /** Removes some of what everybody has settled, beyond what is kept for replay; returns how many events (L3). */
  async trim(channel: LogChannel): Promise<number> {
    if (this.#stop.signal.aborted) return 0;
    const points = this.#checkpoints.get(channel) ?? [];
    let bytes = points.reduce((sum, point) => sum + point.bytes, 0);
    let surplusUpTo = 0;
    while (bytes > this.bounds.keepBytes) {
      const oldest = points.shift();
      if (oldest === undefined) break;
      bytes -= oldest.bytes;
      surplusUpTo = oldest.seq;
    }
    const beforeMs = this.clock.nowMs() - this.bounds.keepMs;
    const upTo = channel.settledUpTo();
    return this.ask('trim', { channel: channel.id, upTo, beforeMs, surplusUpTo, rowsMax: TRIM_ROWS });
  }
}

function diskFull(): PlatformError {
  return new PlatformError('CHANNEL_FULL', 'the disk is full', { retryable: true });
}
