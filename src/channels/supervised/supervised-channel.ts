import { growingPauseMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { BackedChannel } from '../backend.ts';
import type { Backlog, Channel, Consumer, DeadLetter, DeadLetterStore, GroupOptions } from '../channel.ts';
import { faultOf } from './connection.ts';

export type SupervisedOptions = {
  readonly key: string; // Kind/namespace/name
  readonly clock: Clock;
  readonly random: () => number;
  readonly open: () => Promise<BackedChannel>;
  /** How it stands has changed: open, or not, and why. */
  readonly onChange: () => void;
};

type Serving = { readonly options: GroupOptions; readonly consumer: Consumer };

/** Short enough to be back within five seconds of the broker's return. */
const BACKOFF = { firstMs: 100, maxMs: 2000 };
const CHECK_EVERY_MS = 5000;
/** What check() tells so many times in a row is mended by opening anew, which makes what is missing. */
const TROUBLED_MAX = 2;

/**
 * A channel in a broker that may go away and come back: the same channel to whoever holds it.
 *   V1  while it is not open, publish() and consume() reject at once with CHANNEL_LOST and the reason in the broker's words.
 *   V2  after each opening every group consumes again before it is said to be open; one that cannot is told by groupFault().
 *   V3  reopen() opens the new one before the old one closes, so that nothing waits for a drain.
 *   V4  it tries for ever, with a growing pause of at most two seconds, until close().
 */
export class SupervisedChannel implements Channel, DeadLetterStore {
  readonly lost: AbortSignal = new AbortController().signal; // it comes back
  readonly #options: SupervisedOptions;
  readonly #groups = new Map<string, Serving>();
  readonly #groupFaults = new Map<string, PlatformError>();
  readonly #stop = new AbortController();
  readonly #closed: Promise<unknown>[] = [];
  #wake = new AbortController();
  #current: BackedChannel | undefined;
  #fault: PlatformError | undefined;
  #tried = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#fault = new PlatformError('CHANNEL_LOST', `${options.key} is being opened`, { retryable: true });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves once it is open, or was tried and is not. */
  get tried(): Promise<void> {
    return this.#tried.promise;
  }

  /** Why it is not open, or what is wrong with it although it is; undefined: all is well. */
  get fault(): PlatformError | undefined {
    return this.#fault;
  }

  groupFault(group: string): PlatformError | undefined {
    return this.#groupFaults.get(group);
  }

  /** Opens anew, now: what it is opened with has changed. */
  reopen(): void {
    this.#tried = Promise.withResolvers();
    this.#wake.abort();
  }

  publish(event: CloudEvent): Promise<void> {
    return this.#current?.publish(event) ?? Promise.reject(this.#lost()); // V1
  }

  async consume(group: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    const current = this.#open();
    await current.consume(group, options, consumer);
    this.#groups.set(group, { options, consumer });
    this.#groupFaults.delete(group);
  }

  async forget(group: string): Promise<number> {
    const events = await this.#open().forget(group);
    this.#groups.delete(group);
    this.#groupFaults.delete(group);
    return events;
  }

  async backlog(): Promise<readonly Backlog[]> {
    return this.#open().backlog();
  }

  async deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    return this.#open().deadLetters(query);
  }

  /** Removes what is in the broker, and closes; rejects while the broker is away, and may be called again then. */
  async remove(): Promise<number> {
    const events = await this.#open().remove();
    await this.close();
    return events;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    await this.#running;
    await Promise.all(this.#closed);
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    for (let failures = 0; !this.#stop.signal.aborted;) {
      this.#wake = new AbortController();
      const opened = await this.#tryOpen();
      this.#tried.resolve();
      this.#options.onChange();
      if (opened !== undefined) failures = 0;
      if (opened !== undefined) await this.#untilOver(opened);
      const pauseMs = growingPauseMs(failures, BACKOFF, random);
      failures += 1;
      const signal = AbortSignal.any([this.#stop.signal, this.#wake.signal]);
      await clock.until(clock.nowMs() + pauseMs, signal); // V4
    }
    this.#retire(new PlatformError('CHANNEL_CLOSED', `${this.#options.key} is closed`, { retryable: true }));
  }

  async #tryOpen(): Promise<BackedChannel | undefined> {
    let opened: BackedChannel | undefined;
    try {
      opened = await this.#options.open();
      await this.#consumeAll(opened);
      if (opened.lost.aborted) throw faultOf(opened.lost.reason);
      this.#retire(undefined); // V3
      return (this.#current = opened);
    } catch (error) {
      if (opened !== undefined) this.#closeLater(opened);
      this.#retire(faultOf(error));
      return undefined;
    }
  }

  /** V2 */
  async #consumeAll(opened: BackedChannel): Promise<void> {
    this.#groupFaults.clear();
    await Promise.all(
      [...this.#groups].map(async ([group, { options, consumer }]) => {
        try {
          await opened.consume(group, options, consumer);
        } catch (error) {
          if (opened.lost.aborted) throw error;
          this.#groupFaults.set(group, faultOf(error));
        }
      }),
    );
  }

  /** Watches over an open one until it is lost, is to be opened anew, or is closed. */
  async #untilOver(opened: BackedChannel): Promise<void> {
    const { clock } = this.#options;
    const over = AbortSignal.any([this.#stop.signal, this.#wake.signal, opened.lost]);
    for (let troubled = 0; !over.aborted && troubled < TROUBLED_MAX;) {
      await clock.until(clock.nowMs() + CHECK_EVERY_MS, over);
      if (over.aborted) break;
      const trouble = await opened.check();
      troubled = trouble === undefined && this.#groupFaults.size === 0 ? 0 : troubled + 1;
      if (!over.aborted) this.#tell(trouble === undefined ? undefined : troubleOf(trouble));
    }
    if (opened.lost.aborted) this.#retire(faultOf(opened.lost.reason));
    if (opened.lost.aborted) this.#options.onChange();
  }

  #tell(fault: PlatformError | undefined): void {
    if (this.#fault?.message === fault?.message) return;
    this.#fault = fault;
    this.#options.onChange();
  }

  #retire(fault: PlatformError | undefined): void {
    if (this.#current !== undefined) this.#closeLater(this.#current);
    this.#current = undefined;
    this.#fault = fault;
  }

  #closeLater(channel: BackedChannel): void {
    const closing = channel.close().catch(() => undefined); // its broker is gone
    this.#closed.push(closing);
    void closing.then(() => this.#closed.splice(this.#closed.indexOf(closing), 1));
  }

  #open(): BackedChannel {
    const current = this.#current;
    if (current === undefined) throw this.#lost();
    if (current.lost.aborted) throw notOpen(faultOf(current.lost.reason).message); // in the moment before it is noticed
    return current;
  }

  #lost(): PlatformError {
    const { code = 'CHANNEL_LOST', message = 'it is not open' } = this.#fault ?? {};
    if (code === 'CHANNEL_CLOSED' || code === 'CHANNEL_LOST') return this.#fault ?? notOpen(message);
    return notOpen(`${this.#options.key}: ${message}`);
  }
}

function notOpen(message: string): PlatformError {
  return new PlatformError('CHANNEL_LOST', message, { retryable: true });
}

function troubleOf(message: string): PlatformError {
  return new PlatformError('CHANNEL_NOT_FOUND', message, { retryable: true });
}
