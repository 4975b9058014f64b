import { PlatformError } from '../../../base/errors.ts';

/** Why GitHub did not do what it was asked, as a condition's reason. */
export type FaultReason =
  | 'TokenRefused'
  | 'RightsMissing'
  | 'RateLimited'
  | 'NotFound'
  | 'WebhookRefused'
  | 'GitHubUnavailable'
  | 'GitHubMakesNoSense';

/** GitHub did not do it. `notBeforeMs`: it asked not to be called again until then. */
export class GitHubFault extends PlatformError {
  readonly reason: FaultReason;
  readonly notBeforeMs: number | undefined;

  constructor(reason: FaultReason, message: string, more: { notBeforeMs?: number; cause?: unknown } = {}) {
    super('GITHUB_FAULT', message, { retryable: true, cause: more.cause });
    this.reason = reason;
    this.notBeforeMs = more.notBeforeMs;
  }
}

/** What is known of a call that failed. */
export type Failed = {
  /** What was tried on what: `list the webhooks of octocat/hello`. */
  readonly tried: string;
  readonly target: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
  readonly nowMs: number;
};

/** GitHub counts by the hour: whatever it says, nobody waits longer. */
const WAIT_MAX_MS = 3_600_000;
const TEXT_MAX = 300;

/**
 * Why a call failed, in plain words and with what mends it (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 * and /troubleshooting-the-rest-api). GitHub says 404 for what a token may not see.
 */
export function faultOf(failed: Failed): GitHubFault {
  const { tried, target, status, nowMs } = failed;
  const said = `GitHub answered ${status}${saidBy(failed.body)} when asked to ${tried}`;
  const untilMs = limitedUntil(failed);
  if (untilMs !== undefined) {
    const until = new Date(untilMs).toISOString();
    const message = `${said}: its rate limit for this access token is used up; it is asked again at ${until}`;
    return new GitHubFault('RateLimited', message, { notBeforeMs: Math.min(untilMs, nowMs + WAIT_MAX_MS) });
  }
  if (status === 401)
    return new GitHubFault(
      'TokenRefused',
      `${said}: it does not know the access token, or the token has expired; put a valid one into its Secret`,
    );
  if (status === 403) return new GitHubFault('RightsMissing', `${said}: ${rightsFor(failed)}`);
  if (status === 404)
    return new GitHubFault(
      'NotFound',
      `${said}: there is no ${target}, or ${rightsFor(failed)}, without which GitHub does not show that it is there`,
    );
  if (status === 422 || status === 400) return new GitHubFault('WebhookRefused', said);
  if (status >= 500) return new GitHubFault('GitHubUnavailable', said);
  return new GitHubFault('GitHubMakesNoSense', said);
}

/** What GitHub itself says, its `errors` with it: they name what is wrong with a webhook. */
function saidBy(body: unknown): string {
  const texts = [textIn(body, 'message'), ...detailsIn(body)].filter((text) => text !== undefined);
  return texts.length === 0 ? '' : ` "${texts.join('; ').slice(0, TEXT_MAX)}"`;
}

function detailsIn(body: unknown): (string | undefined)[] {
  const errors: unknown = Reflect.get(Object(body), 'errors');
  if (!Array.isArray(errors)) return [];
  return errors.slice(0, 5).map((each) => (typeof each === 'string' ? each : textIn(each, 'message')));
}

function textIn(value: unknown, name: string): string | undefined {
  const text: unknown = Reflect.get(Object(value), name);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** Of an organisation's webhooks other rights speak than of a repository's; GitHub names those that it wants. */
function rightsFor({ target, headers }: Failed): string {
  const wanted = headers['x-accepted-github-permissions'];
  const named =
    typeof wanted === 'string' && wanted !== '' ? ` (GitHub names: ${wanted.slice(0, TEXT_MAX)})` : '';
  return target.includes('/')
    ? `the access token may not manage the webhooks of ${target}: it needs the repository permission "Webhooks: read and write", or, a classic one, the scope admin:repo_hook${named}`
    : `the access token may not manage the webhooks of the organisation ${target}: it needs the organisation permission "Webhooks: read and write", or, a classic one, the scope admin:org_hook${named}`;
}

/** Until when not to call again; undefined when this is no limit. A limit of which nothing more is said lasts a minute. */
function limitedUntil({ status, headers, nowMs }: Failed): number | undefined {
  if (status !== 403 && status !== 429 && status !== 503) return undefined;
  const after = retryAfterMs(headers['retry-after'], nowMs);
  if (after !== undefined) return nowMs + after;
  if (status === 503) return undefined;
  const reset = Number(headers['x-ratelimit-reset']);
  if (headers['x-ratelimit-remaining'] === '0' && Number.isFinite(reset))
    return nowMs + Math.max(0, reset * 1000 - serverTime(headers['date'], nowMs)) + 1000; // its clock, in whole seconds
  return status === 429 ? nowMs + 60_000 : undefined;
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | string[] | undefined, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function serverTime(date: string | string[] | undefined, nowMs: number): number {
  const at = typeof date === 'string' ? Date.parse(date) : Number.NaN;
  return Number.isNaN(at) ? nowMs : at;
}
