import { messageOf, PlatformError } from '../../base/errors.ts';
import { NOT_FOUND, statusOf, wordsOf } from '../../clients/pubsub/faults.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import type { Links, UsedLink } from '../../clients/pubsub/links.ts';
import type { TakenMessage } from '../../events/pubsub-binding.ts';
import type { RunningSource, SourceTools } from '../source.ts';
import { eventOf } from './event.ts';
import { Keeper, type Kept } from './keeper.ts';
import { idOf, type PubSubPlan } from './plan.ts';
import { Reading } from './reading.ts';

export type Pace = {
  /** So often it is looked whether the subscription is as it was; one that cannot be read is looked at at once. */
  readonly lookEveryMs: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
};

export type CloudPubSubOptions = {
  readonly plan: PubSubPlan;
  readonly tools: SourceTools;
  readonly links: Links;
  readonly pace: Pace;
};

/** Messages that make no sense are told of once in this time, with their number. */
const TELL_EVERY_MS = 60_000;
/** After reading was refused, it is running again when it was not for so long. */
const PROBATION_MS = 2000;
/** So many calls in a row may fail for want of a connection until that is told. */
const CUTS_MAX = 3;
const CONDITION = 'PullSubscriptionReady';
/** As knative-gcp says it (pkg/reconciler/intevents/pullsubscription/reconciler.go). */
const REASON = 'SubscriptionReconcileFailed';

/**
 * A CloudPubSubSource that runs: connects, keeps its subscription (keeper.ts) and reads it (reading.ts), and begins anew
 * after a loss of the connection, until it is closed.
 */
export class CloudPubSub implements RunningSource {
  readonly #options: CloudPubSubOptions;
  readonly #keeper: Keeper;
  readonly #stop = new AbortController();
  #wake = new AbortController(); // ends a pause
  #failures = 0;
  /** Why the subscription could not be read, though it is there; it counts as running once that is over. */
  #fault: unknown;
  #malformed = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(options: CloudPubSubOptions) {
    this.#options = options;
    this.#keeper = new Keeper(options.plan, options.tools);
  }

  open(): this {
    this.#running ??= this.#run();
    return this;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#tellMalformed();
  }

  async #run(): Promise<void> {
    const { plan, links } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let used: UsedLink | undefined;
      try {
        used = await links.use(plan.settings);
        await this.#readBy(used.link);
      } catch (error) {
        if (!signal.aborted) this.#tellFailing(error);
      } finally {
        await used?.leave();
      }
      await this.#pause(this.#backOffMs(), signal);
    }
  }

  /** Until it is closed, or the link is lost. */
  async #readBy(link: Link): Promise<void> {
    const { plan, tools, pace } = this.#options;
    const over = new AbortController();
    const isOver = AbortSignal.any([this.#stop.signal, link.lost, over.signal]);
    const reading = new Reading({
      link,
      clock: tools.clock,
      subscription: plan.subscription,
      signal: isOver,
      deliver: (message, signal) => this.#deliver(message, signal),
      onGone: (error) => {
        this.#fault = error;
        this.#wake.abort();
      },
    });
    try {
      while (!isOver.aborted) {
        const isRefused = await this.#backOffFrom(this.#fault, isOver);
        [this.#wake, this.#fault] = [new AbortController(), undefined];
        const isKept = await this.#keep(link, reading, isRefused);
        const pauseMs = isRefused ? PROBATION_MS : isKept ? pace.lookEveryMs : this.#backOffMs();
        await this.#pause(pauseMs, AbortSignal.any([isOver, this.#wake.signal]));
        this.#tellMalformed();
      }
    } finally {
      over.abort();
      await reading.close();
    }
    if (link.lost.aborted) throw link.lost.reason;
  }

  /** Whether reading was refused for another reason than that the subscription is gone. */
  async #backOffFrom(fault: unknown, isOver: AbortSignal): Promise<boolean> {
    if (fault === undefined || statusOf(fault) === NOT_FOUND) return false;
    this.#tellFailing(wordsOf(fault));
    await this.#pause(this.#backOffMs(), isOver);
    return true;
  }

  async #keep(link: Link, reading: Reading, isOnProbation: boolean): Promise<boolean> {
    try {
      const kept = await this.#keeper.keep(link);
      return this.#settle(kept, reading, isOnProbation);
    } catch (error) {
      if (link.lost.aborted || this.#stop.signal.aborted) return false;
      const isCut = isUnreachable(error) && this.#failures < CUTS_MAX; // the link says when it is more than that
      if (!isCut) this.#tellFailing(error);
      return false;
    }
  }

  #settle(kept: Kept, reading: Reading, isOnProbation: boolean): boolean {
    const { tools, plan } = this.#options;
    switch (kept.kind) {
      case 'kept':
        reading.resume();
        if (isOnProbation) return true;
        this.#failures = 0;
        tools.tell({ kind: 'running', fields: { subscriptionId: idOf(plan.subscription) } });
        return true;
      case 'no-topic':
        if (kept.isReadable) reading.resume();
        else reading.pause();
        this.#tellFailing(kept.message);
        return false;
    }
  }

  async #deliver(message: TakenMessage, signal: AbortSignal): Promise<void> {
    const { tools, plan } = this.#options;
    const { event, fault } = eventOf(message, plan);
    if (fault !== undefined) {
      this.#malformed += 1;
      this.#tellMalformed(fault);
    }
    await tools.deliver(event, signal); // one that is refused for good is told there, and done
  }

  #tellMalformed(fault?: string): void {
    const { tools, plan } = this.#options;
    const nowMs = tools.clock.nowMs();
    if (this.#malformed === 0 || nowMs - this.#toldMs < TELL_EVERY_MS) return;
    const what = this.#malformed === 1 ? 'a message' : `${this.#malformed} messages`;
    const why = fault === undefined ? '' : `: ${fault}`;
    const message = `${what} of ${plan.topic} said to be a CloudEvent and made no sense as one${why}; delivered as messagePublished`;
    [this.#malformed, this.#toldMs] = [0, nowMs];
    tools.warn('MessageMalformed', message);
  }

  #tellFailing(error: unknown): void {
    const message = typeof error === 'string' ? error : messageOf(error);
    this.#options.tools.tell(
      isUnreachable(error)
        ? { kind: 'failing', condition: CONDITION, reason: 'PubSubUnreachable', message }
        : {
            kind: 'failing',
            condition: CONDITION,
            reason: REASON,
            message: `Failed to reconcile Pub/Sub subscription: ${message}`,
          },
    );
  }

  #backOffMs(): number {
    const { pace, tools } = this.#options;
    const pauseMs = Math.min(pace.retryFirstMs * 2 ** this.#failures, pace.retryMaxMs);
    this.#failures += 1;
    return pauseMs * (0.5 + tools.random() / 2);
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.tools;
    return clock.until(clock.nowMs() + ms, signal);
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof PlatformError && /^(?:BACKEND_UNREACHABLE|CHANNEL_LOST)$/.test(error.code);
}
