import type { SourceTools } from '../../source.ts';
import { readFetched } from '../delivery.ts';
import { eventOf } from '../event.ts';
import { GitHubFault } from '../rest/faults.ts';
import type { Attempted, Hooks } from '../rest/hooks.ts';
import { findMissed } from './missed.ts';
import { withFetched, type Notebook, type Notes, type Span } from './notes.ts';
import type { WebhookPlan } from './plan.ts';

/** What GitHub shows of one delivery is asked for so often before it is skipped. */
const NONSENSE_MAX = 5;
const SET_AGAIN_AFTER_MS = 600_000;

/**
 * Fetches what GitHub could not bring, the oldest first.
 *   F1  the notes move past a delivery only once the sink has it, and are durable then; what is repeated after a crash
 *       is what was in hand.
 *   F2  one delivery at a time is in hand, of at most 32 MiB.
 *   F3  what is skipped or lost is told, with its time.
 */
export class Fetch {
  readonly #plan: WebhookPlan;
  readonly #hooks: Hooks;
  readonly #tools: SourceTools;
  readonly #notebook: Notebook;
  /** How many deliveries it has brought so far. */
  count = 0;
  #nonsense = { id: '', times: 0 };

  constructor(plan: WebhookPlan, hooks: Hooks, tools: SourceTools, notebook: Notebook) {
    this.#plan = plan;
    this.#hooks = hooks;
    this.#tools = tools;
    this.#notebook = notebook;
  }

  /** Whether something is left for another look soon. */
  async run(start: Notes, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#tools;
    const startMs = clock.nowMs();
    const { items, upToMs, isMore, lost } = await findMissed(
      (cursor) => this.#hooks.deliveries(start.hookId, cursor, signal),
      start,
      startMs,
    );
    let notes = lost === undefined ? start : this.#lost(start, lost);
    for (const item of items) {
      const isTaken = await this.#take(notes, item, signal);
      if (isTaken)
        notes = await this.#notebook.keep(
          withFetched({ ...notes, upToMs: Math.max(notes.upToMs, Math.min(item.atMs, upToMs)) }, item.guid),
        );
    }
    const isUnsigned = items.some(({ code }) => code === 401) && isLongSet(notes, startMs);
    // Our own door did not know the signature: GitHub signs with another secret, whoever set it there.
    const set = isUnsigned && notes.set ? { ...notes.set, secretHash: '' } : notes.set;
    await this.#notebook.keep({ ...notes, set, upToMs, lookedAtMs: startMs });
    return isMore || isUnsigned;
  }

  /** False: it is nothing for this source. */
  async #take({ hookId }: Notes, item: Attempted, signal: AbortSignal): Promise<boolean> {
    const { target, eventTypes } = this.#plan;
    const { id, guid, event } = item;
    if (event === 'ping' || (!eventTypes.includes('*') && !eventTypes.includes(event))) return false;
    const payload = await this.#payload(hookId, item, signal);
    if (payload === undefined) return true;
    const delivery = readFetched(guid, event, payload);
    if ('kind' in delivery) this.#skip(item, `${delivery.reason} of delivery ${id}`);
    else
      await this.#tools.deliver(
        eventOf({ ownerAndRepository: target, extensions: NONE }, delivery),
        signal,
        'fetched',
      );
    this.count += 1;
    return true;
  }

  /** Undefined: it is not to be had, and that was told. */
  async #payload(hookId: string, item: Attempted, signal: AbortSignal): Promise<unknown> {
    try {
      const payload = await this.#hooks.payload(hookId, item.id, signal);
      if (payload === undefined) this.#skip(item, 'GitHub has it no more');
      return payload;
    } catch (error) {
      if (!(error instanceof GitHubFault) || error.reason !== 'GitHubMakesNoSense') throw error;
      const times = this.#nonsense.id === item.id ? this.#nonsense.times + 1 : 1;
      this.#nonsense = { id: item.id, times };
      if (times < NONSENSE_MAX) throw error;
      this.#skip(item, error.message);
      return undefined;
    }
  }

  #skip({ guid, event, atMs }: Attempted, why: string): void {
    const what = `the delivery ${guid} (${event}) of ${timeOf(atMs)}`;
    this.#tools.warn('DeliveryLost', `${what} is lost: ${why}`);
  }

  #lost(notes: Notes, lost: Span): Notes {
    this.#tools.warn('DeliveriesLost', lostText(lost));
    return { ...notes, lost };
  }
}

/** A refusal of what is not ours must not make us set the webhook again and again. */
const isLongSet = ({ set }: Notes, nowMs: number): boolean =>
  set !== undefined && nowMs - set.atMs > SET_AGAIN_AFTER_MS;

const NONE: ReadonlyMap<string, string> = new Map(); // deliver() adds the overrides

export function lostText({ fromMs, toMs }: Span): string {
  return `what GitHub could not bring between ${timeOf(fromMs)} and ${timeOf(toMs)} is lost: GitHub keeps it no more`;
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
