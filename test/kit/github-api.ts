import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GitHubOpenApi } from './github-openapi.ts';

export const TOKEN = 'github_pat_for_tests_only';

export type StandInHook = {
  readonly id: number;
  active: boolean;
  events: readonly string[];
  config: { url?: string; content_type?: string; insecure_ssl?: string; secret?: string };
  readonly created: string;
  readonly deliveries: StandInDelivery[]; // the newest last
};
export type StandInDelivery = {
  readonly id: bigint;
  readonly guid: string;
  readonly event: string;
  readonly payload: string;
  readonly atMs: number;
  readonly isRedelivery: boolean;
  code: number;
  status: string;
};
export type Asked = { readonly method: string; readonly path: string; readonly body: unknown };
/** GitHub forgets deliveries after three days. */
const KEPT_MS = 3 * 24 * 3_600_000;

/** An answer in place of the usual one. */
export type Instead = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

/**
 * GitHub's REST API for webhooks, as far as it is used. It checks every request against GitHub's published description,
 * and its own answers too; `faults` says what was not as described. Its webhooks really deliver, signed.
 */
export class GitHubStandIn {
  readonly #openApi = new GitHubOpenApi();
  readonly #server: Server;
  #port = 0;
  #nextHook = 470_000_001;
  /** Beyond what JavaScript can hold: ids are 64 bits (OpenAPI: `format: int64`). */
  #nextDelivery = 9_007_199_254_741_093n;
  readonly hooks = new Map<string, StandInHook[]>(); // by owner/repository, or organisation
  readonly asked: Asked[] = [];
  readonly faults: string[] = [];
  token = TOKEN;
  /** What the token may not do: GitHub answers 404 to whoever may not see webhooks, 403 to whoever may not change them. */
  rights: 'write' | 'read' | 'none' = 'write';
  /** Answers for the next requests that match, in place of the usual ones. */
  instead: ((asked: Asked) => Instead | undefined) | undefined;
  nowMs: () => number = () => Date.now();
  perPage = 100;
  /** GitHub may write in its own way what it is asked for. */
  eventsKept = (events: readonly string[]): readonly string[] => events;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  /** `targets`: the repositories and organisations that there are. */
  static async open(...targets: readonly string[]): Promise<GitHubStandIn> {
    const standIn = new GitHubStandIn();
    for (const target of targets) standIn.hooks.set(target, []);
    await standIn.comeBack();
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async goAway(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  close(): Promise<void> {
    return this.goAway();
  }

  hooksOf(target: string): StandInHook[] {
    return this.hooks.get(target) ?? [];
  }

  /** Something happens: every webhook that wants it is called, or not brought for as long as `isCut` says. */
  async emit(target: string, event: string, payload: object, isCut = false): Promise<StandInDelivery[]> {
    const guid = randomUUID();
    const made: StandInDelivery[] = [];
    for (const hook of this.hooksOf(target)) {
      if (!hook.active || !(hook.events.includes(event) || hook.events.includes('*'))) continue;
      const delivery = this.record(hook, { guid, event, payload: JSON.stringify(payload) });
      made.push(delivery);
      if (!isCut) await this.bring(hook, delivery);
    }
    return made;
  }

  /** An attempt that nobody has answered. */
  record(
    hook: StandInHook,
    {
      guid = randomUUID(),
      event = 'push',
      payload = '{}',
      isRedelivery = false,
    }: Partial<StandInDelivery> = {},
  ): StandInDelivery {
    this.#nextDelivery += 2n;
    const delivery = {
      id: this.#nextDelivery,
      guid,
      event,
      payload,
      isRedelivery,
      atMs: this.nowMs(),
      code: 0,
      status: 'failed to connect to host',
    };
    hook.deliveries.push(delivery);
    return delivery;
  }

  /** Delivers as GitHub does: signed with the webhook's secret, ten seconds for an answer, never again by itself. */
  async bring({ config }: StandInHook, delivery: StandInDelivery): Promise<void> {
    const { event, guid, payload } = delivery;
    const signature = createHmac('sha256', config.secret ?? '')
      .update(payload)
      .digest('hex');
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'GitHub-Hookshot/0000000',
      'x-github-event': event,
      'x-github-delivery': guid,
      'x-hub-signature-256': `sha256=${signature}`,
    };
    const signal = AbortSignal.timeout(10_000);
    delivery.status = 'pending';
    try {
      const answer = await fetch(config.url ?? '', { method: 'POST', headers, body: payload, signal });
      await answer.text();
      delivery.code = answer.status;
      delivery.status = answer.ok ? 'OK' : 'Invalid HTTP Response';
    } catch {
      delivery.status = 'failed to connect to host';
    }
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { method = '', url: path = '' } = request;
    const asked: Asked = { method, path, body: text === '' ? undefined : JSON.parse(text) };
    this.asked.push(asked);
    const { status, headers, body } = this.instead?.(asked) ?? this.#answer(asked, request);
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    response.end(typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body));
  }

  #answer(asked: Asked, { headers }: IncomingMessage): Instead {
    const url = new URL(asked.path, this.url);
    const matched = this.#openApi.match(asked.method, url, asked.body);
    const faults = [...(matched?.faults ?? ['is not in the description']), ...headerFaults(headers, asked)];
    this.faults.push(...faults.map((fault) => `${asked.method} ${asked.path}: ${fault}`));
    if (matched === undefined || faults.length > 0)
      return { status: 400, body: { message: faults.join('; ') } };
    if (headers.authorization !== `Bearer ${this.token}`) return said(401, 'Bad credentials');
    const answer = this.#answerTo(asked, matched.path, url);
    const shown: unknown = JSON.parse(JSON.stringify(answer.body ?? null));
    this.faults.push(...this.#openApi.answerFaults(matched.operation, answer.status, shown));
    return answer;
  }

  #answerTo({ method, body }: Asked, path: Readonly<Record<string, string>>, url: URL): Instead {
    const target = path['org'] ?? `${path['owner']}/${path['repo']}`;
    const hooks = this.hooks.get(target);
    if (hooks === undefined || this.rights === 'none') return said(404, 'Not Found');
    if (method !== 'GET' && this.rights !== 'write')
      return said(403, 'Resource not accessible by personal access token', {
        'x-accepted-github-permissions': 'repository_hooks=write',
      });
    if (path['hook_id'] === undefined)
      return method === 'GET' ? this.#listed(hooks, target, url) : this.#created(hooks, target, body);
    const hook = hooks.find(({ id }) => String(id) === path['hook_id']);
    if (hook === undefined) return said(404, 'Not Found');
    if (path['delivery_id'] !== undefined) {
      const found = hook.deliveries.find(({ id }) => String(id) === path['delivery_id']);
      return found === undefined ? said(404, 'Not Found') : { status: 200, body: detailOf(found, hook) };
    }
    if (url.pathname.endsWith('/deliveries')) return this.#deliveries(hook, url);
    if (method === 'DELETE') {
      hooks.splice(hooks.indexOf(hook), 1);
      return { status: 204 };
    }
    if (method === 'PATCH') this.#change(hook, body);
    return { status: 200, body: this.#shown(hook, target) };
  }

  #listed(hooks: readonly StandInHook[], target: string, url: URL): Instead {
    const perPage = Math.min(Number(url.searchParams.get('per_page') ?? 30), this.perPage);
    const page = Number(url.searchParams.get('page') ?? 1);
    const next = new URL(url);
    next.searchParams.set('page', String(page + 1));
    const isMore = hooks.length > page * perPage;
    const body = hooks.slice((page - 1) * perPage, page * perPage).map((hook) => this.#shown(hook, target));
    return { status: 200, body, ...(isMore && { headers: { link: `<${next.href}>; rel="next"` } }) };
  }

  /** Webhooks may share a config as long as their events do not overlap. */
  #created(hooks: StandInHook[], target: string, body: unknown): Instead {
    const hook: StandInHook = {
      id: (this.#nextHook += 1),
      active: true,
      events: ['push'],
      config: {},
      created: new Date(this.nowMs()).toISOString(),
      deliveries: [],
    };
    this.#change(hook, body);
    const isTaken = hooks.some(
      ({ config, events }) =>
        config.url === hook.config.url && events.some((each) => hook.events.includes(each)),
    );
    if (isTaken) return refusedHook('Hook already exists on this repository');
    hooks.push(hook);
    void this.bring(
      hook,
      this.record(hook, {
        event: 'ping',
        payload: JSON.stringify({ zen: 'Keep it logically awesome.', hook_id: hook.id }),
      }),
    );
    return { status: 201, body: this.#shown(hook, target) };
  }

  /** `config` is replaced as a whole: without a secret in it the webhook has none any more. */
  #change(hook: StandInHook, body: unknown): void {
    const { active, events, config } = body as Partial<StandInHook>;
    if (active !== undefined) hook.active = active;
    if (events !== undefined) hook.events = this.eventsKept(events).toSorted();
    if (config !== undefined) hook.config = { insecure_ssl: '0', content_type: 'form', ...config };
  }

  /** The newest first; the cursor is the delivery with which a page begins. */
  #deliveries(hook: StandInHook, url: URL): Instead {
    const all = hook.deliveries.filter(({ atMs }) => atMs > this.nowMs() - KEPT_MS).toReversed();
    const cursor = url.searchParams.get('cursor')?.replace('v1_', '');
    const perPage = Math.min(Number(url.searchParams.get('per_page') ?? 30), this.perPage);
    const first = cursor === undefined ? 0 : all.findIndex(({ id }) => String(id) === cursor);
    const after = all[first + perPage];
    const next = new URL(url);
    next.searchParams.set('cursor', `v1_${after?.id}`);
    const headers = after === undefined ? {} : { link: `<${next.href}>; rel="next"` };
    return { status: 200, headers, body: all.slice(first, first + perPage).map(itemOf) };
  }

  #shown({ id, active, events, config, created }: StandInHook, target: string): object {
    const kind = target.includes('/') ? 'repos' : 'orgs';
    const url = `https://api.github.com/${kind}/${target}/hooks/${id}`;
    const shown = { ...config, ...(config.secret !== undefined && { secret: '********' }) };
    return {
      type: target.includes('/') ? 'Repository' : 'Organization',
      id,
      name: 'web',
      active,
      events,
      config: shown,
      updated_at: created,
      created_at: created,
      url,
      test_url: `${url}/test`,
      ping_url: `${url}/pings`,
      deliveries_url: `${url}/deliveries`,
      last_response: { code: null, status: 'unused', message: null },
    };
  }
}

function headerFaults(headers: IncomingMessage['headers'], { body }: Asked): string[] {
  const wanted: Record<string, string> = {
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const faults = Object.entries(wanted)
    .filter(([name, value]) => headers[name] !== value)
    .map(([name, value]) => `header ${name} is not ${value}`);
  return headers['user-agent'] === undefined ? [...faults, 'header user-agent is missing'] : faults;
}

export function said(status: number, message: string, headers: Record<string, string> = {}): Instead {
  const documentation_url = 'https://docs.github.com/rest';
  return { status, headers, body: { message, documentation_url, status: String(status) } };
}

export function refusedHook(message: string): Instead {
  const body = {
    message: 'Validation Failed',
    errors: [{ resource: 'Hook', code: 'custom', message }],
    documentation_url: 'https://docs.github.com/rest/repos/webhooks#create-a-repository-webhook',
  };
  return { status: 422, body };
}

const exact = Reflect.get(JSON, 'rawJSON') as (text: string) => object; // Node has it, its types do not yet

function itemOf({ id, guid, event, payload, atMs, isRedelivery, code, status }: StandInDelivery): object {
  const { action = null } = JSON.parse(payload) as { action?: string };
  return {
    id: exact(String(id)),
    guid,
    delivered_at: new Date(atMs).toISOString(),
    redelivery: isRedelivery,
    duration: 0.27,
    status,
    status_code: code,
    event,
    action,
    installation_id: null,
    repository_id: null,
    throttled_at: null,
  };
}

function detailOf(delivery: StandInDelivery, { config }: StandInHook): object {
  const headers = { 'X-GitHub-Event': delivery.event, 'X-GitHub-Delivery': delivery.guid };
  return {
    ...itemOf(delivery),
    url: config.url ?? '',
    request: { headers, payload: exactly(delivery.payload) },
    response: { headers: {}, payload: null },
  };
}

/** Numbers as they are written: GitHub does not round. */
function exactly(payload: string): unknown {
  const parse = JSON.parse as (
    text: string,
    revive: (name: string, value: unknown, context: { source?: string }) => unknown,
  ) => unknown;
  return parse(payload, (_name, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exact(source) : value,
  );
}
