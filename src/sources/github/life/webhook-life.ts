import { isTrue } from '../../../apis/conditions.ts';
import { messageOf } from '../../../base/errors.ts';
import type { RunningSource, SourceState, SourceTools } from '../../source.ts';
import { GitHubFault } from '../rest/faults.ts';
import type { Hooks } from '../rest/hooks.ts';
import { Fetch, lostText } from './fetch.ts';
import { KEPT_MS } from './missed.ts';
import type { Notebook, Notes } from './notes.ts';
import type { WebhookPlan } from './plan.ts';
import { ensureWebhook, type Ensured } from './webhook.ts';

export type Pace = {
  /** From one look to the next while all is well. */
  readonly lookEveryMs: number;
  /** After something has changed, or while something is under way. */
  readonly lookSoonMs: number;
};

export type WebhookLifeOptions = {
  readonly plan: WebhookPlan;
  readonly hooks: Hooks;
  readonly tools: SourceTools;
  readonly notebook: Notebook;
  readonly pace: Pace;
  /** Removes the webhook of an earlier plan, which was elsewhere. */
  readonly leave: (notes: Notes, signal: AbortSignal) => Promise<void>;
};

const CONDITION = 'WebhookConfigured';
const PAUSE_FIRST_MS = 1000;
/** A4, for an origin that is away. */
const PAUSE_AWAY_MAX_MS = 30_000;
/** What a person has to mend is asked for less often: GitHub shuts out who comes again and again with a bad token. */
const PAUSE_OTHER_MAX_MS = 300_000;

/**
 * A webhook from its registration on: every few minutes it is looked at and mended, and what GitHub could not bring
 * through it is fetched. A change of the plan is another life, which finds the webhook by the notes of this one.
 *   L1  what was done at GitHub is noted before anything is built on it.
 *   L2  GitHub is not called sooner than it asks for.
 */
export class WebhookLife implements RunningSource {
  readonly #options: WebhookLifeOptions;
  readonly #fetch: Fetch;
  readonly #stop = new AbortController();
  #living: Promise<void> | undefined;

  constructor(options: WebhookLifeOptions) {
    const { plan, hooks, tools, notebook } = options;
    this.#options = options;
    this.#fetch = new Fetch(plan, hooks, tools, notebook);
  }

  open(): this {
    this.#options.tools.tell({ kind: 'starting', marks: [isTrue('SecretsProvided')] }); // else there is no plan
    this.#living = this.#live();
    return this;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#living;
  }

  async #live(): Promise<void> {
    const { tools } = this.#options;
    const { clock } = tools;
    const { signal } = this.#stop;
    for (let failures = 0, count = 0; !signal.aborted; count = this.#fetch.count) {
      try {
        const pauseMs = await this.#look();
        failures = 0;
        await clock.until(clock.nowMs() + pauseMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        tools.tell(failingBy(error));
        if (this.#fetch.count > count) failures = 0; // it gets on
        const dueMs = clock.nowMs() + pauseAfter(error, failures) * (0.5 + tools.random() / 2);
        failures += 1;
        await clock.until(Math.max(dueMs, notBefore(error)), signal); // L2
      }
    }
  }

  /** Returns how long it is until the next look. */
  async #look(): Promise<number> {
    const { plan, hooks, tools, notebook, pace, leave } = this.#options;
    const { signal } = this.#stop;
    const nowMs = tools.clock.nowMs();
    let before = await notebook.read();
    if (before !== undefined && (before.target !== plan.target || before.apiUrl !== plan.apiUrl)) {
      await leave(before, signal);
      before = undefined;
    }
    const ensured = await ensureWebhook(hooks, plan, before, nowMs, signal);
    const notes = await notebook.keep(this.#report(ensured, before, nowMs)); // L1
    tools.tell(runningBy(notes, nowMs));
    const isMore = await this.#fetch.run(notes, signal);
    tools.tell(runningBy((await notebook.read()) ?? notes, nowMs));
    return ensured.isChanged || isMore ? pace.lookSoonMs : pace.lookEveryMs * (0.9 + tools.random() / 5);
  }

  /** Tells what somebody else has done to the webhook. */
  #report({ notes, mended, isReplaced }: Ensured, before: Notes | undefined, nowMs: number): Notes {
    const { tools } = this.#options;
    if (isReplaced && before !== undefined) {
      const lost = { fromMs: before.lookedAtMs, toMs: nowMs };
      const gone = `webhook ${before.hookId} had been removed at GitHub; ${notes.hookId} is in its place`;
      tools.warn('WebhookReplaced', `${gone}; ${lostText(lost)}`);
      return { ...notes, lost };
    }
    if (mended.length > 0)
      tools.warn(
        'WebhookMended',
        `webhook ${notes.hookId} was changed at GitHub, and is as planned again: ${mended.join(', ')}`,
      );
    return notes;
  }
}

/** A loss stands in the condition for as long as GitHub would have kept it: Events are gone after an hour. */
function runningBy({ hookId, lost }: Notes, nowMs: number): SourceState {
  const isTold = lost !== undefined && nowMs - lost.toMs < 2 * KEPT_MS;
  const mark = isTold ? isTrue(CONDITION, 'DeliveriesLost', lostText(lost)) : isTrue(CONDITION);
  return { kind: 'running', fields: { webhookIDKey: hookId }, marks: [mark] };
}

function failingBy(error: unknown): SourceState {
  const reason = error instanceof GitHubFault ? error.reason : 'Failed';
  return { kind: 'failing', condition: CONDITION, reason, message: messageOf(error) };
}

function pauseAfter(error: unknown, failures: number): number {
  const isAway = !(error instanceof GitHubFault) || error.reason === 'GitHubUnavailable';
  return Math.min(PAUSE_FIRST_MS * 2 ** failures, isAway ? PAUSE_AWAY_MAX_MS : PAUSE_OTHER_MAX_MS);
}

const notBefore = (error: unknown): number => (error instanceof GitHubFault ? (error.notBeforeMs ?? 0) : 0);
