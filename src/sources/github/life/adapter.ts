import { isTrue } from '../../../apis/conditions.ts';
import { createOutbound } from '../../../http/outbound.ts';
import type { SourceAdapter, SourceTools } from '../../source.ts';
import { GitHubApi } from '../rest/api.ts';
import { GitHubFault } from '../rest/faults.ts';
import { Hooks } from '../rest/hooks.ts';
import { Turns } from '../rest/turns.ts';
import { Notebook, type Notes } from './notes.ts';
import type { WebhookPlan } from './plan.ts';
import { WebhookLife, type Pace } from './webhook-life.ts';

/** GitHub allows 5000 calls an hour to one token; a source that has nothing to do makes 12. */
const PACE: Pace = { lookEveryMs: 600_000, lookSoonMs: 20_000 };
/** Nothing is called for minutes: no connection is held. */
const IDLE_MS = 5000;
/** GitHub takes a hundred calls at a time, of all that use a token. */
const CALLS_AT_A_TIME = 20;
const REMOVED_WITHIN_MS = 50_000;

/** The webhook of a GitHubSource: by hand without an access token, else by GitHub's REST API for its whole life. */
export function gitHubAdapter(pace: Pace = PACE): SourceAdapter<WebhookPlan> {
  const outbound = createOutbound({ route: () => undefined, idleTimeoutMs: IDLE_MS });
  const turns = new Turns(CALLS_AT_A_TIME);
  const hooksFor: HooksFor = ({ token, apiUrl, secret }, { clock }) => {
    if (token === undefined) return undefined;
    const api = new GitHubApi({ apiUrl, token, hidden: [secret], outbound, turns, clock });
    return (target) => new Hooks(api, target);
  };
  return {
    open(plan, tools) {
      const hooksOf = hooksFor(plan, tools);
      if (hooksOf === undefined) {
        tools.tell({ kind: 'running', marks: [manual(plan)] });
        return { close: async () => undefined };
      }
      return new WebhookLife({
        plan,
        hooks: hooksOf(plan.target),
        tools,
        notebook: new Notebook(tools.bookmark),
        pace,
        leave: (notes, signal) => leave(notes, plan, hooksOf, tools, signal).catch(leftBehind(notes, tools)),
      }).open();
    },
    async remove(plan, tools) {
      const notes = await new Notebook(tools.bookmark).read();
      const hooksOf = hooksFor(plan, tools);
      if (hooksOf === undefined) {
        if (notes !== undefined) tools.warn(SKIPPED, left(notes, 'the source has no access token any more'));
        return;
      }
      const signal = AbortSignal.timeout(REMOVED_WITHIN_MS);
      try {
        if (notes !== undefined) return await leave(notes, plan, hooksOf, tools, signal);
        const hooks = hooksOf(plan.target);
        const found = await hooks.findByUrl(plan.url, signal).catch(nothing);
        if (found !== undefined) await hooks.remove(found.id, signal);
      } catch (error) {
        throw withWayOut(error);
      }
    },
  };
}

const SKIPPED = 'WebhookDeletionSkipped';

/** The webhooks of a repository or an organisation, as the token of the plan may see them; undefined: it has none. */
type HooksFor = (
  plan: WebhookPlan,
  tools: Pick<SourceTools, 'clock'>,
) => ((target: string) => Hooks) | undefined;

/** Removes a webhook by its notes. The token of another API is not sent to the one where it is. */
async function leave(
  notes: Notes,
  { apiUrl }: WebhookPlan,
  hooksOf: (target: string) => Hooks,
  tools: Pick<SourceTools, 'warn'>,
  signal: AbortSignal,
): Promise<void> {
  if (notes.apiUrl !== apiUrl)
    return tools.warn(SKIPPED, left(notes, 'the source has the access token of another'));
  const isRemoved = await hooksOf(notes.target).remove(notes.hookId, signal);
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
