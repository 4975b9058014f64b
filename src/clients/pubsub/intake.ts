import type { Clock } from '../../base/clock.ts';
import type { ReceivedMessage } from './client.ts';
import { DEADLINE_EXCEEDED, isUnreached, RESOURCE_EXHAUSTED, statusOf } from './faults.ts';
import type { Link } from './link.ts';

export type IntakeOptions = {
  readonly link: Link;
  readonly clock: Clock;
  readonly subscription: string;
  /** Long polls under way at most; more than one while messages keep coming. */
  readonly pollsMax: number;
  /** Ends it, at once. */
  readonly lost: AbortSignal;
  /** How many messages there is room for now. */
  readonly room: () => number;
  /** Takes them in the order they came; the next poll of the same turn waits for it. */
  readonly take: (messages: readonly ReceivedMessage[]) => Promise<void> | void;
  /** The subscription cannot be read any more, and why. */
  readonly onGone: (error: unknown) => void;
};

/** Google's servers end a poll that nothing came to; this is only for one that they forget. */
const POLL_MAX_MS = 90_000;
/** The emulator ends it a second before its deadline, and does not notice that it was cancelled: what came next would be leased to nobody. */
const EMULATOR_POLL_MS = 1250;
const EMULATOR_POLL_MAX_MS = 16_000;
/** Once so many polls in a row brought nothing, the next are longer: stop() may have to wait for one, and each is a call. */
const EMULATOR_QUIET_POLLS = 8;
const EMULATOR_QUIET_POLL_MS = 5000;
const MESSAGES_MAX = 100;
const AGAIN_PAUSE_MS = 200;
const GIVE_BACK_MAX_MS = 1000;

/**
 * Brings in messages of one subscription by long polls, each for no more than there is room: what is in the broker stays
 * there, without a lease, until somebody can take it. A streaming pull would lease ahead, and hands out the later messages
 * of a key although an earlier one is still at work, which would have to be kept here.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #stop = new AbortController();
  readonly #cancel = new AbortController();
  readonly #isOver: AbortSignal;
  readonly #polls = new Set<Promise<void>>();
  #reserved = 0;
  #emulatorPollMs = EMULATOR_POLL_MS;
  #quietPolls = 0;
  #wake = Promise.withResolvers<void>();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#isOver = AbortSignal.any([options.lost, this.#stop.signal]);
    this.#isOver.addEventListener('abort', () => this.#end(), { once: true });
    this.#start(true);
  }

  /** There may be room now. */
  poke(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Waits for what is under way; `isHasty`, it is cancelled: nobody will ask for what it may have leased. */
  async stop(isHasty: boolean): Promise<void> {
    this.#stop.abort();
    if (isHasty) this.#cancel.abort();
    await Promise.all(this.#polls);
  }

  #end(): void {
    if (!this.#options.link.isEmulator) this.#cancel.abort();
    this.poke();
  }

  #start(isFirst: boolean): void {
    const poll = this.#run(isFirst);
    this.#polls.add(poll);
    void poll.then(() => this.#polls.delete(poll));
  }

  /** The first goes on for ever; one that was added ends when nothing comes. */
  async #run(isFirst: boolean): Promise<void> {
    const { room, pollsMax, take } = this.#options;
    while (!this.#isOver.aborted) {
      const free = Math.min(room() - this.#reserved, MESSAGES_MAX);
      if (free <= 0 && !isFirst) return;
      if (free <= 0) {
        await this.#wake.promise;
        continue;
      }
      this.#reserved += free;
      const messages = await this.#poll(free);
      this.#reserved -= free;
      this.poke(); // another may wait for the room that was set aside
      if (this.#options.lost.aborted) return this.#giveBack(messages);
      if (messages.length === 0 && !isFirst) return;
      if (messages.length > 0 && this.#polls.size < pollsMax) this.#start(false);
      if (messages.length > 0) await take(messages);
    }
  }

  /** What came after the loss is for who opens next. */
  async #giveBack(messages: readonly ReceivedMessage[]): Promise<void> {
    const { link, subscription } = this.#options;
    const ackIds = messages.map(({ ackId }) => ackId ?? '');
    if (ackIds.length === 0) return;
    const request = { subscription, ackIds, ackDeadlineSeconds: 1 };
    await link.call('modifyAckDeadline', request, GIVE_BACK_MAX_MS).catch(() => undefined); // else their leases run out
  }

  async #poll(maxMessages: number): Promise<readonly ReceivedMessage[]> {
    const { link, clock, subscription, onGone } = this.#options;
    const maxMs = link.isEmulator ? this.#emulatorMs() : POLL_MAX_MS;
    try {
      const messages = await link.poll({ subscription, maxMessages }, maxMs, this.#cancel.signal);
      this.#emulatorPollMs = EMULATOR_POLL_MS;
      this.#quietPolls = messages.length === 0 ? this.#quietPolls + 1 : 0;
      return messages;
    } catch (error) {
      const status = statusOf(error);
      // Of the emulator that means that what came was too much for the second that was left.
      if (status === DEADLINE_EXCEEDED) this.#emulatorPollMs = Math.min(2 * maxMs, EMULATOR_POLL_MAX_MS);
      this.#quietPolls = 0;
      if (this.#isOver.aborted || status === DEADLINE_EXCEEDED) return []; // nothing came
      if (isUnreached(error)) await link.suspect();
      else if (status !== RESOURCE_EXHAUSTED) onGone(error); // it is not there, or not for us
      await clock.until(clock.nowMs() + AGAIN_PAUSE_MS, this.#isOver);
      return [];
    }
  }

  #emulatorMs(): number {
    const isQuiet = this.#quietPolls >= EMULATOR_QUIET_POLLS;
    return Math.max(this.#emulatorPollMs, isQuiet ? EMULATOR_QUIET_POLL_MS : 0);
  }
}
