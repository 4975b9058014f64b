import type { GitHubApi } from './api.ts';
import { GitHubFault } from './faults.ts';
import { wholeNumber } from './lossless-json.ts';

/** A webhook as GitHub shows it. */
export type Hook = {
  readonly id: string;
  readonly active: boolean;
  readonly events: readonly string[]; // sorted
  readonly url: string;
  readonly contentType: string | undefined;
  readonly insecureSsl: boolean;
  /** GitHub shows that there is a secret, never which. */
  readonly hasSecret: boolean;
};

/** A webhook as it is to be. */
export type DesiredHook = {
  readonly url: string;
  readonly events: readonly string[];
  readonly secret: string;
};

/** One attempt of GitHub to bring an event. */
export type Attempted = {
  readonly id: string;
  readonly guid: string;
  readonly event: string;
  readonly atMs: number;
  /** What the receiver answered; 0: nothing. */
  readonly code: number;
  readonly isPending: boolean;
};
export type DeliveriesPage = { readonly items: readonly Attempted[]; readonly cursor: string | undefined };

const PER_PAGE = 100;
/** GitHub allows 250 webhooks for one repository. */
const HOOK_PAGES_MAX = 10;
/** GitHub's own bound for a payload is 25 MB; beside it stand two sets of headers. */
const DELIVERY_BYTES_MAX = 32 * 1024 * 1024;

/** The webhooks of one repository, or of one organisation, and what GitHub remembers of their deliveries. */
export class Hooks {
  readonly #api: GitHubApi;
  readonly #target: string;
  readonly #path: string;

  constructor(api: GitHubApi, target: string) {
    this.#api = api;
    this.#target = target;
    const names = target.split('/').map(encodeURIComponent);
    this.#path = names.length === 2 ? `/repos/${names.join('/')}/hooks` : `/orgs/${names[0]}/hooks`;
  }

  /** Undefined: there is none with that id. A repository that cannot be seen answers the same. */
  async find(id: string, signal: AbortSignal): Promise<Hook | undefined> {
    const call = { ...this.#words(`read webhook ${id}`), path: this.#at(id), also: [404] };
    const { status, body } = await this.#api.call({ ...call, method: 'GET' }, signal);
    return status === 404 ? undefined : hookFrom(body);
  }

  async findByUrl(url: string, signal: AbortSignal): Promise<Hook | undefined> {
    for (let page = 1; page <= HOOK_PAGES_MAX; page += 1) {
      const path = `${this.#path}?per_page=${PER_PAGE}&page=${page}`;
      const { body, next } = await this.#api.call(
        { ...this.#words('list the webhooks'), method: 'GET', path },
        signal,
      );
      const found = listIn(body, 'its webhooks')
        .map(hookFrom)
        .find((hook) => hook.url === url);
      if (found !== undefined || next === undefined) return found;
    }
    return undefined;
  }

  async create(desired: DesiredHook, signal: AbortSignal): Promise<Hook> {
    const body = { name: 'web', active: true, events: desired.events, config: configOf(desired) };
    const call = { ...this.#words('register a webhook'), path: this.#path, body };
    return hookFrom((await this.#api.call({ ...call, method: 'POST' }, signal)).body);
  }

  async update(id: string, desired: DesiredHook, signal: AbortSignal): Promise<Hook> {
    const body = { active: true, events: desired.events, config: configOf(desired) };
    const call = { ...this.#words(`change webhook ${id}`), path: this.#at(id), body };
    return hookFrom((await this.#api.call({ ...call, method: 'PATCH' }, signal)).body);
  }

  /** False: it was not there any more. */
  async remove(id: string, signal: AbortSignal): Promise<boolean> {
    const call = { ...this.#words(`remove webhook ${id}`), path: this.#at(id), also: [404] };
    return (await this.#api.call({ ...call, method: 'DELETE' }, signal)).status !== 404;
  }

  /** The newest first. */
  async deliveries(id: string, cursor: string | undefined, signal: AbortSignal): Promise<DeliveriesPage> {
    const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const path = `${this.#at(id)}/deliveries?per_page=${PER_PAGE}${after}`;
    const words = this.#words(`list the deliveries of webhook ${id}`);
    const { body, next } = await this.#api.call({ ...words, method: 'GET', path }, signal);
    return {
      items: listIn(body, 'the deliveries of a webhook').map(attemptedFrom),
      cursor: next === undefined ? undefined : cursorIn(next),
    };
  }

  /** What was to be brought; null: GitHub shows no payload. Undefined: it has the delivery no more. */
  async payload(id: string, deliveryId: string, signal: AbortSignal): Promise<unknown> {
    const path = `${this.#at(id)}/deliveries/${deliveryId}`;
    const words = this.#words(`read delivery ${deliveryId} of webhook ${id}`);
    const { status, body } = await this.#api.call(
      { ...words, method: 'GET', path, bytesMax: DELIVERY_BYTES_MAX, also: [404] },
      signal,
    );
    if (status === 404) return undefined;
    const request = read(body, 'request');
    if (request === undefined) throw nonsense('a delivery', 'its request');
    return read(request, 'payload') ?? null;
  }

  #at(id: string): string {
    return `${this.#path}/${id}`;
  }

  #words(what: string): { readonly tried: string; readonly target: string } {
    return { tried: `${what} of ${this.#target}`, target: this.#target };
  }
}

/** GitHub takes JSON, checks TLS, and signs. */
function configOf({ url, secret }: DesiredHook): Readonly<Record<string, string>> {
  return { url, content_type: 'json', insecure_ssl: '0', secret };
}

/** `insecure_ssl` is a text or a number, and 0 unless it is there. */
const CHECKED: ReadonlySet<unknown> = new Set([undefined, '0', 0]);

function hookFrom(value: unknown): Hook {
  const id = wholeNumber(read(value, 'id'));
  const events = read(value, 'events');
  const config = read(value, 'config');
  const url = read(config, 'url');
  if (id === undefined || !Array.isArray(events) || typeof config !== 'object')
    throw nonsense('a webhook', 'id, events and config');
  const contentType = read(config, 'content_type');
  return {
    id,
    active: read(value, 'active') === true,
    events: events.map(String).toSorted(),
    url: typeof url === 'string' ? url : '', // a service of old has none
    contentType: typeof contentType === 'string' ? contentType : undefined,
    insecureSsl: !CHECKED.has(read(config, 'insecure_ssl')),
    hasSecret: typeof read(config, 'secret') === 'string',
  };
}

/** The receiver has answered, or will not: what GitHub still works on has neither code nor end. */
function attemptedFrom(value: unknown): Attempted {
  const id = wholeNumber(read(value, 'id'));
  const [guid, event, at] = ['guid', 'event', 'delivered_at'].map((name) => read(value, name));
  const atMs = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (id === undefined || typeof guid !== 'string' || typeof event !== 'string' || Number.isNaN(atMs))
    throw nonsense('a delivery', 'id, guid, event and delivered_at');
  const code = Number(read(value, 'status_code') ?? 0);
  const status = read(value, 'status');
  const isPending = code === 0 && typeof status === 'string' && /^pending$/i.test(status);
  return { id, guid, event, atMs, code, isPending };
}

function listIn(body: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(body)) throw nonsense(what, 'a list');
  return body;
}

/** Of the address of the next page only the cursor is taken: the token goes where it was meant to go. */
function cursorIn(next: string): string | undefined {
  return URL.canParse(next) ? (new URL(next).searchParams.get('cursor') ?? undefined) : undefined;
}

function nonsense(what: string, lacks: string): GitHubFault {
  return new GitHubFault(
    'GitHubMakesNoSense',
    `what GitHub shows as ${what} is none: ${lacks} expected; is githubAPIURL the address of a GitHub API?`,
  );
}

const read = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
