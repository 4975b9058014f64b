import type { Dispatcher } from 'undici';
import { messageOf } from '../../../base/errors.ts';
import type { Clock } from '../../../base/clock.ts';
import { faultOf, GitHubFault } from './faults.ts';
import { parseLossless } from './lossless-json.ts';
import type { Turns } from './turns.ts';

export type GitHubApiOptions = {
  /** `https://api.github.com`, or that of a GitHub Enterprise: `https://github.example.com/api/v3`. */
  readonly apiUrl: string;
  readonly token: string;
  /** What else stands in no message: the secret of the webhook. */
  readonly hidden?: readonly string[];
  readonly outbound: Dispatcher;
  /** Shared by all that call: GitHub shuts out who makes too many calls at a time. */
  readonly turns: Turns;
  readonly clock: Clock;
  readonly deadlineMs?: number;
};

export type Call = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** For messages: what is tried, and on which repository or organisation. */
  readonly tried: string;
  readonly target: string;
  readonly bytesMax?: number;
  /** Answers that are no faults beside 2xx. */
  readonly also?: readonly number[];
};
export type Answer = { readonly status: number; readonly body: unknown; readonly next: string | undefined };

/** One call, from connecting to the end of its answer. */
const DEADLINE_MS = 30_000;
const BYTES_MAX = 2 * 1024 * 1024;
/** A repository that was renamed or moved answers with its new place. */
const REDIRECTS_MAX = 3;

/**
 * Calls GitHub's REST API: one deadline a call, bodies bounded, a fault in plain words for whatever is no success. The
 * token goes to this API alone, and into no message.
 */
export class GitHubApi {
  readonly #options: GitHubApiOptions;
  readonly #base: URL;

  constructor(options: GitHubApiOptions) {
    this.#options = options;
    this.#base = new URL(options.apiUrl.endsWith('/') ? options.apiUrl : `${options.apiUrl}/`);
  }

  call(call: Call, signal: AbortSignal): Promise<Answer> {
    return this.#options.turns.run(signal, () => this.#call(call, signal));
  }

  /** The deadline begins with its turn. */
  async #call(call: Call, signal: AbortSignal): Promise<Answer> {
    const { deadlineMs = DEADLINE_MS } = this.#options;
    const within = new AbortController();
    const stop = (): void => within.abort(signal.reason);
    const timer = setTimeout(() => within.abort(), deadlineMs); // AbortSignal.timeout() would outlive the call
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      return await this.#follow(call, new URL(call.path.slice(1), this.#base), within.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof GitHubFault) throw error;
      const why = within.signal.aborted ? `no answer came within ${deadlineMs} ms` : messageOf(error);
      const message = `GitHub at ${this.#base.origin} was not reached to ${call.tried}: ${this.#masked(why)}`;
      throw new GitHubFault('GitHubUnavailable', message, { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  async #follow(call: Call, start: URL, signal: AbortSignal): Promise<Answer> {
    let url = start;
    for (let redirects = 0; ; redirects += 1) {
      const { statusCode: status, headers, body } = await this.#send(call, url, signal);
      const text = await textOf(body, call);
      if (status === 301 || status === 302 || status === 307 || status === 308) {
        url = this.#elsewhere(call, url, headers['location'], redirects);
        continue;
      }
      const parsed = parsedOr(text);
      const link = headers['link'];
      const next = typeof link === 'string' ? nextIn(link) : undefined;
      if ((status >= 200 && status < 300) || call.also?.includes(status) === true)
        return { status, body: parsed, next };
      const { tried, target } = call;
      const nowMs = this.#options.clock.nowMs();
      throw faultOf({ tried, target, status, headers, body: parsedOr(this.#masked(text)), nowMs });
    }
  }

  #send({ method, body }: Call, url: URL, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { token, outbound } = this.#options;
    return outbound.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${token}`,
        'user-agent': 'millrace',
        'x-github-api-version': '2022-11-28',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
  }

  /** The token is not taken to another server. */
  #elsewhere(
    { tried, target }: Call,
    from: URL,
    location: string | string[] | undefined,
    redirects: number,
  ): URL {
    const to =
      typeof location === 'string' && URL.canParse(location, from.href)
        ? new URL(location, from.href)
        : undefined;
    if (to !== undefined && to.origin === from.origin && redirects < REDIRECTS_MAX) return to;
    const where = to === undefined ? 'nowhere' : to.origin;
    throw new GitHubFault(
      'NotFound',
      `GitHub at ${from.origin} redirects to ${where} when asked to ${tried}; that is not followed: name ${target} and githubAPIURL as they are now`,
    );
  }

  /** What others say may repeat what they were sent. */
  #masked(text: string): string {
    const { token, hidden = [] } = this.#options;
    return [token, ...hidden].reduce(
      (shown, each) => (each === '' ? shown : shown.replaceAll(each, '***')),
      text,
    );
  }
}

async function textOf(
  body: Dispatcher.ResponseData['body'],
  { tried, bytesMax = BYTES_MAX }: Call,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > bytesMax) {
      body.destroy();
      throw new GitHubFault(
        'GitHubMakesNoSense',
        `GitHub's answer to the wish to ${tried} is larger than ${bytesMax} bytes`,
      );
    }
  }
  return Buffer.concat(chunks).toString();
}

function parsedOr(text: string): unknown {
  try {
    return parseLossless(text);
  } catch {
    return undefined; // a proxy's page; who needs more than the status says so
  }
}

/** The address after this page (RFC 8288). */
function nextIn(link: string): string | undefined {
  return /<([^>]*)>\s*;[^<]*\brel="?next"?/.exec(link)?.[1];
}
