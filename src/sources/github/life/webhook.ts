import type { Hook, Hooks } from '../rest/hooks.ts';
import { hasSecret, noteOf, type Notes } from './notes.ts';
import type { WebhookPlan } from './plan.ts';

export type Ensured = {
  readonly notes: Notes;
  /** GitHub had another webhook than planned, or none. */
  readonly isChanged: boolean;
  /** What somebody else had done to it, in words; what another plan has changed is not among it. */
  readonly mended: readonly string[];
  /** The webhook that was known was not there any more, and with it what GitHub would have brought. */
  readonly isReplaced: boolean;
};

/**
 * Sees to it that there is one webhook, and that it is as planned. It is known by its id, and without one by its address,
 * so that a run that ended between making and noting it leaves no second one.
 */
export async function ensureWebhook(
  hooks: Hooks,
  plan: WebhookPlan,
  before: Notes | undefined,
  nowMs: number,
  signal: AbortSignal,
): Promise<Ensured> {
  const known = before === undefined ? undefined : await hooks.find(before.hookId, signal);
  const found = known ?? (await hooks.findByUrl(plan.url, signal));
  const isReplaced = before !== undefined && known === undefined;
  if (found === undefined) {
    const { id } = await hooks.create(desiredOf(plan), signal);
    const notes = await noted(hooks, plan, newNotes(plan, id, nowMs, 0), nowMs, signal);
    return { notes, isChanged: true, mended: [], isReplaced };
  }
  const notes =
    before !== undefined && known !== undefined
      ? before
      : newNotes(plan, found.id, nowMs, await newestOf(hooks, found.id, signal));
  if (isAsPlanned(found, plan, notes.set)) return { notes, isChanged: false, mended: [], isReplaced };
  await hooks.update(found.id, desiredOf(plan), signal);
  return {
    notes: await noted(hooks, plan, notes, nowMs, signal),
    isChanged: true,
    mended: isOtherPlan(plan, notes.set) ? [] : differencesOf(found, plan, notes.set),
    isReplaced,
  };
}

/** Neither the plan nor the webhook is another than when it was set. */
function isAsPlanned(hook: Hook, plan: WebhookPlan, set: Notes['set']): boolean {
  return (
    set !== undefined &&
    set.asked === keyOf(desiredOf(plan)) &&
    set.got === keyOf(hook) &&
    hasSecret(set, plan.secret)
  );
}

/** Also when it was never set: what it was before is not this source's. */
function isOtherPlan(plan: WebhookPlan, set: Notes['set']): boolean {
  if (set === undefined || set.asked !== keyOf(desiredOf(plan))) return true;
  return set.secretHash !== '' && !hasSecret(set, plan.secret);
}

function differencesOf(hook: Hook, plan: WebhookPlan, set: Notes['set']): readonly string[] {
  const checks: readonly (readonly [isOther: boolean, what: string])[] = [
    [!hook.active, 'it was switched off'],
    [hook.url !== plan.url, `its address was at ${originOf(hook.url)}`],
    [hook.contentType !== 'json', `its content type was ${hook.contentType ?? 'form'}`],
    [hook.insecureSsl, 'it did not check TLS'],
    [!hook.hasSecret, 'it had no secret'],
    [hook.hasSecret && (set === undefined || !hasSecret(set, plan.secret)), 'its secret was another'],
    [hook.events.join() !== plan.eventTypes.join(), `its events were ${hook.events.join(', ') || 'none'}`],
  ];
  return checks.filter(([isOther]) => isOther).map(([, what]) => what);
}

/** Paths and queries of webhooks are secrets often enough. */
const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : 'nowhere');

type Desired = { readonly url: string; readonly events: readonly string[]; readonly secret: string };

const desiredOf = ({ url, eventTypes, secret }: WebhookPlan): Desired => ({
  url,
  events: eventTypes,
  secret,
});

/** How a webhook was asked for, or looks, without its secret. */
function keyOf(webhook: Hook | Desired): string {
  const { secret: _secret, ...shown } = { secret: undefined, ...webhook };
  return JSON.stringify(shown);
}

/** The notes of a webhook that was just set, which is looked at once more: not all answers show all of it. */
async function noted(
  hooks: Hooks,
  plan: WebhookPlan,
  notes: Notes,
  nowMs: number,
  signal: AbortSignal,
): Promise<Notes> {
  const hook = await hooks.find(notes.hookId, signal);
  if (hook === undefined) return { ...notes, set: undefined };
  return { ...notes, set: noteOf(keyOf(desiredOf(plan)), keyOf(hook), plan.secret, nowMs) };
}

function newNotes({ apiUrl, target }: WebhookPlan, hookId: string, nowMs: number, upToMs: number): Notes {
  return { apiUrl, target, hookId, set: undefined, lookedAtMs: nowMs, upToMs, fetched: [], lost: undefined };
}

/** Of a webhook that was there before, what went before is not this source's. */
async function newestOf(hooks: Hooks, id: string, signal: AbortSignal): Promise<number> {
  const { items } = await hooks.deliveries(id, undefined, signal);
  return Math.max(0, ...items.map(({ atMs }) => atMs));
}
