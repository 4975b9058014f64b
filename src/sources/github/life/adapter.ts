import { isTrue } from '../../../apis/conditions.ts';
import { createOutbound } from '../../../http/outbound.ts';
import type { SourceAdapter, SourceTools } from '../../source.ts';
import { GitHubApi } from '../rest/api.ts';
import { GitHubFault } from '../rest/faults.ts';
import { Hooks } from '../rest/hooks.ts';
import { Notebook, type Notes } from './notes.ts';
import type { WebhookPlan } from './plan.ts';
import { WebhookLife, type Pace } from './webhook-life.ts';

/** GitHub allows 5000 calls an hour to one token; a source that has nothing to do makes 12. */
const PACE: Pace = { lookEveryMs: 600_000, lookSoonMs: 20_000 };
/** Nothing is called for minutes: no connection is held. */
const IDLE_MS = 5000;
const REMOVED_WITHIN_MS = 50_000;

/** The webhook of a GitHubSource: by hand without an access token, else by GitHub's REST API for its whole life. */
export function gitHubAdapter(pace: Pace = PACE): SourceAdapter<WebhookPlan> {
  return {
    open(plan, tools) {
      const at = placeOf(plan, tools);
      if (at === undefined) {
        tools.tell({ kind: 'running', marks: [manual(plan)] });
        return { close: async () => undefined };
      }
      const life = new WebhookLife({
        plan,
        hooks: at.hooks(plan.target),
        tools,
        notebook: new Notebook(tools.bookmark),
        pace,
        leave: (notes, signal) => leave(notes, plan, at, tools, signal).catch(leftBehind(notes, tools)),
      }).open();
      return {
        async close() {
          await life.close();
          await at.close();
        },
      };
    },
    async remove(plan, tools) {
      const notes = await new Notebook(tools.bookmark).read();
      const at = placeOf(plan, tools);
      if (at === undefined) {
        if (notes !== undefined) tools.warn(SKIPPED, left(notes, 'the source has no access token any more'));
        return;
      }
      const signal = AbortSignal.timeout(REMOVED_WITHIN_MS);
      try {
        if (notes !== undefined) return await leave(notes, plan, at, tools, signal);
        const hooks = at.hooks(plan.target);
        const found = await hooks.findByUrl(plan.url, signal).catch(nothing);
        if (found !== undefined) await hooks.remove(found.id, signal);
      } catch (error) {
        throw withWayOut(error);
      } finally {
        await at.close();
      }
    },
  };
}

const SKIPPED = 'WebhookDeletionSkipped';

type Place = { readonly hooks: (target: string) => Hooks; readonly close: () => Promise<void> };

function placeOf(
  { token, apiUrl, secret }: WebhookPlan,
  { clock }: Pick<SourceTools, 'clock'>,
): Place | undefined {
  if (token === undefined) return undefined;
  const outbound = createOutbound({ route: () => undefined, idleTimeoutMs: IDLE_MS });
  const api = new GitHubApi({ apiUrl, token, hidden: [secret], outbound, clock });
  return { hooks: (target) => new Hooks(api, target), close: () => outbound.destroy() };
}

/** Removes a webhook by its notes. The token of another API is not sent to the one where it is. */
async function leave(
  notes: Notes,
  { apiUrl }: WebhookPlan,
  at: Place,
  tools: Pick<SourceTools, 'warn'>,
  signal: AbortSignal,
): Promise<void> {
  if (notes.apiUrl !== apiUrl)
    return tools.warn(SKIPPED, left(notes, 'the source has the access token of another'));
  const isRemoved = await at.hooks(notes.target).remove(notes.hookId, signal);
  if (!isRemoved) tools.warn(SKIPPED, left(notes, 'GitHub shows no such webhook'));
}

/** A repository that is not there, or is not shown, has no webhook of this source. */
function nothing(error: unknown): undefined {
  if (error instanceof GitHubFault && error.reason === 'NotFound') return undefined;
  throw error;
}

/** The source goes on elsewhere, whether or not it may still remove what it had here. */
const leftBehind =
  (notes: Notes, tools: Pick<SourceTools, 'warn'>) =>
  (error: unknown): void => {
    if (!(error instanceof GitHubFault) || error.reason !== 'RightsMissing') throw error;
    tools.warn(SKIPPED, left(notes, error.message));
  };

function withWayOut(error: unknown): unknown {
  if (!(error instanceof GitHubFault)) return error;
  const wayOut = 'to leave the webhook where it is, take accessToken out of the spec';
  return new GitHubFault(error.reason, `${error.message}; ${wayOut}`, { cause: error });
}

const left = ({ hookId, target, apiUrl }: Notes, why: string): string =>
  `webhook ${hookId} of ${target} at ${apiUrl} was not removed: ${why}`;

function manual({ url, eventTypes }: WebhookPlan): ReturnType<typeof isTrue> {
  const events = eventTypes.includes('*') ? 'everything' : eventTypes.join(', ');
  const enter = `enter at GitHub, under Settings, Webhooks: Payload URL ${url}, Content type application/json, the secret, and the events: ${events}`;
  return isTrue('WebhookConfigured', 'Manual', enter);
}
