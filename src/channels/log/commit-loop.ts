import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { batchLength, pack, type Pending } from './batch.ts';
import type { Group } from './group.ts';
import type { Change } from './group-host.ts';
import type { LogChannel } from './log-channel.ts';
import type { Batch, DeadRow, OwedRow } from './protocol.ts';
import type { WorkerClient } from './worker-client.ts';

type Changes = { owed: OwedRow[]; paid: { group: number; seq: number }[]; dead: DeadRow[] };
const noChanges = (): Changes => ({ owed: [], paid: [], dead: [] });

/** Settles that come alone wait this long for company; what a crash may repeat is bounded by it (P4). */
const SETTLE_COMMIT_MS = 5;
const FULL_RETRY_MS = 1000;

export type CommitLoopOptions = {
  readonly worker: WorkerClient;
  readonly clock: Clock;
  readonly journal: { take(): Uint8Array | undefined } | undefined;
  /** L1: the batch is durable; `seqs` are its events' places, one by one. */
  readonly onDurable: (batch: readonly Pending[], seqs: readonly number[]) => void;
};

/**
 * Group commit: while one commit is under way the next gathers here (L2). It keeps what was noted until it is durable,
 * also while the disk is full (L5).
 */
export class CommitLoop {
  readonly #options: CommitLoopOptions;
  #pending: Pending[] = [];
  #touched = new Map<Group, LogChannel>();
  #changes = noChanges();
  #waiters: (() => void)[] = [];
  #isCommitting = false;
  #isScheduled = false;
  #settleTimer: NodeJS.Timeout | undefined;
  #failure: PlatformError | undefined;

  constructor(options: CommitLoopOptions) {
    this.#options = options;
  }

  enqueue(pending: Pending): void {
    if (this.#failure !== undefined) return pending.reject(lost(this.#failure));
    this.#pending.push(pending);
    this.#schedule();
  }

  note({ owed, paid, dead }: Change): void {
    if (owed !== undefined) this.#changes.owed.push(owed);
    if (paid !== undefined) this.#changes.paid.push(paid);
    if (dead !== undefined) this.#changes.dead.push(dead);
  }

  touch(group: Group, channel: LogChannel): void {
    this.#touched.set(group, channel);
    this.#scheduleSettles();
  }

  /** Resolves once what has been noted so far is durable, or never will be. */
  flushed(): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#schedule();
    });
  }

  /** L5: nothing is acknowledged any more. */
  fail(error: PlatformError): void {
    this.#failure = error;
    clearTimeout(this.#settleTimer);
    for (const { reject } of this.#pending.splice(0)) reject(lost(error));
    for (const resolve of this.#waiters.splice(0)) resolve();
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

  #scheduleSettles(): void {
    if (this.#isCommitting || this.#settleTimer !== undefined) return;
    this.#settleTimer = setTimeout(() => this.#commit(), SETTLE_COMMIT_MS);
  }

  #commit(): void {
    if (this.#isCommitting || this.#failure !== undefined) return;
    clearTimeout(this.#settleTimer);
    this.#settleTimer = undefined;
    const { owed, paid, dead } = this.#changes;
    const waiters = this.#waiters.splice(0);
    const rows = this.#options.journal?.take();
    const hasChanges = this.#touched.size + owed.length + paid.length + dead.length > 0;
    if (this.#pending.length === 0 && !hasChanges && rows === undefined)
      return waiters.forEach((resolve) => resolve());
    this.#isCommitting = true;
    void this.#commitBatch(waiters, rows);
  }

  async #commitBatch(waiters: readonly (() => void)[], journalRows: Uint8Array | undefined): Promise<void> {
    const batch = this.#pending.splice(0, batchLength(this.#pending));
    const touched = this.#touched;
    this.#touched = new Map();
    const groups = [...touched.keys()].map((group) => group.row()); // may note further rows
    const changes = this.#changes;
    this.#changes = noChanges();
    const packing = batch.length > 0 ? pack(batch) : undefined;
    const journal = journalRows && { rows: journalRows, atMs: this.#options.clock.nowMs() };
    const message: Batch = { events: packing?.packed, groups, ...changes, journal };
    try {
      await this.#options.worker.ask('commit', message, packing === undefined ? [] : [packing.buffer]);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      return this.#undo(error, { batch, touched, changes, waiters });
    }
    this.#isCommitting = false;
    if (packing !== undefined) this.#options.onDurable(batch, packing.seqs);
    for (const channel of new Set(touched.values())) channel.recount();
    for (const resolve of waiters) resolve();
    if (this.#pending.length > 0 || this.#waiters.length > 0) this.#commit();
    else if (this.#touched.size > 0) this.#scheduleSettles();
  }

  /** A batch that was not written gives its sequences back: no later one was given meanwhile (L2). */
  #undo(
    error: PlatformError,
    {
      batch,
      touched,
      changes,
      waiters,
    }: {
      readonly batch: readonly Pending[];
      readonly touched: ReadonlyMap<Group, LogChannel>;
      readonly changes: Changes;
      readonly waiters: readonly (() => void)[];
    },
  ): void {
    for (const { channel, bytes } of batch) channel.giveBack(bytes);
    const isFull = error.code === 'STORE_FULL';
    for (const { channel, bytes, reject } of [...batch, ...this.#pending.splice(0)]) {
      channel.unqueue(bytes);
      reject(isFull ? diskFull() : lost(error));
    }
    if (!isFull) return waiters.forEach((resolve) => resolve());
    for (const [group, channel] of touched) this.#touched.set(group, channel);
    this.#changes = merged(changes, this.#changes);
    this.#waiters.unshift(...waiters); // nothing is durable, so whoever waits for that goes on waiting
    setTimeout(() => {
      this.#isCommitting = false;
      this.#commit();
    }, FULL_RETRY_MS);
  }
}

/** What is noted again and again while the disk is full is kept once: the last word on each owed event counts. */
function merged(older: Changes, newer: Changes): Changes {
  const owed = new Map<string, OwedRow>();
  for (const row of [...older.owed, ...newer.owed]) owed.set(`${row.group} ${row.seq}`, row);
  return {
    owed: [...owed.values()],
    paid: [...older.paid, ...newer.paid],
    dead: [...older.dead, ...newer.dead],
  };
}

function diskFull(): PlatformError {
  return new PlatformError('CHANNEL_FULL', 'the disk is full', { retryable: true });
}

function lost(cause: PlatformError): PlatformError {
  return new PlatformError('CHANNEL_LOST', 'the log has failed', { retryable: true, cause });
}
