import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { EventSink } from '../../events/sink.ts';
import type { ByteBudget } from '../../http/body.ts';
import { createWebApp, type WebAnswer, type WebRequest } from '../../http/web-app.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import { eventOf, type Delivery } from './event.ts';
import type { GitHubSourcePlan } from './plan.ts';

export type ReceiverOptions = {
  readonly find: (namespace: string, name: string) => GitHubSourcePlan | undefined;
  /** The secret as it is now; undefined when it is not there. */
  readonly secretOf: (plan: GitHubSourcePlan) => string | undefined;
  readonly sinkFor: (plan: GitHubSourcePlan) => EventSink;
  readonly clock: Clock;
  readonly budget: ByteBudget;
  readonly onError: (error: unknown) => void;
};

/** GitHub's own bound for a payload. */
const BYTES_MAX = 25 * 1024 * 1024;
/** GitHub waits ten seconds; the sink has a little less. */
const SINK_WITHIN_MS = 9000;
const DEDUPE_MAX = 10_000;

const refused = (code: number, reason: string, headers?: Record<string, string>): WebAnswer => ({
  code,
  body: `${reason}\n`,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
});
const later = (reason: string): WebAnswer => refused(503, reason, { 'retry-after': '10' });

/** Answers `POST /webhooks/<namespace>/<source>`; what it needs of libraries is loaded with the first delivery. */
export function createGitHubReceiver(
  options: ReceiverOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const receiver = new Receiver(options);
  let app: ReturnType<typeof createWebApp> | undefined;
  return (request, response) => {
    app ??= createWebApp({
      routes: [
        { method: 'post', path: '/webhooks/:namespace/:source', answer: (each) => receiver.answer(each) },
      ],
      limits: { maxBytes: BYTES_MAX, budget: options.budget },
      onError: options.onError,
    });
    void app.then((answer) => answer(request, response));
  };
}

class Receiver {
  readonly #options: ReceiverOptions;
  readonly #seen = new Map<string, number>(); // source and delivery, until when

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  async answer(request: WebRequest): Promise<WebAnswer> {
    const { namespace, source } = request.params;
    const origin = `GitHubSource/${String(namespace)}/${String(source)}`;
    const answer = await this.#receive(request, String(namespace), String(source), origin);
    if (answer.code >= 400) {
      publishSignal('source.refused', {
        atMs: this.#options.clock.nowMs(),
        origin,
        code: answer.code,
        reason: String(answer.body).trim(),
      });
    }
    return answer;
  }

  async #receive(request: WebRequest, namespace: string, name: string, origin: string): Promise<WebAnswer> {
    const { find, secretOf } = this.#options;
    const plan = find(namespace, name);
    if (plan === undefined) return refused(404, `there is no GitHubSource ${namespace}/${name}`);
    const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
    if (type !== 'application/json' && type !== 'application/x-www-form-urlencoded')
      return refused(
        415,
        `content type ${JSON.stringify(type)} is not taken; GitHub sends application/json or a form`,
      );
    const [event, id] = [headerOf(request, 'x-github-event'), headerOf(request, 'x-github-delivery')];
    if (event === undefined) return refused(400, 'the header X-GitHub-Event is missing');
    if (id === undefined) return refused(400, 'the header X-GitHub-Delivery is missing');
    const secret = secretOf(plan);
    if (secret === undefined || secret === '') return later('the secret of this source is not there yet');
    if (!(await isSigned(request, secret))) return refused(401, 'the signature is missing or does not fit'); // O1
    const body = type === 'application/json' ? request.body : payloadField(request.body);
    if (body === undefined) return refused(400, 'the form has no field payload');
    const payload = parsed(body);
    if (payload === undefined) return refused(400, 'the payload is not JSON');
    if (event === 'ping') return refused(200, 'ping: nothing is forwarded');
    if (!plan.eventTypes.has('*') && !plan.eventTypes.has(event))
      return refused(200, `${event} is not among the eventTypes of this source: nothing is forwarded`);
    return this.#forward(plan, { id, event, payload: payload.value, body }, origin);
  }

  async #forward(plan: GitHubSourcePlan, delivery: Delivery, origin: string): Promise<WebAnswer> {
    const { sinkFor, clock } = this.#options;
    if (plan.sinkUrl === undefined) return later('the sink of this source has no address yet');
    if (this.#isRepeated(plan, delivery.id)) return refused(202, 'taken before');
    const event = eventOf(plan, delivery);
    try {
      await sinkFor(plan).send(event, AbortSignal.timeout(SINK_WITHIN_MS));
    } catch (error) {
      this.#seen.delete(`${plan.uid} ${delivery.id}`);
      return later(`the event cannot be kept at the moment: ${messageOf(error)}`);
    }
    const read = (name: string): string => event.attributes.get(name) ?? '';
    publishSignal('source.sent', {
      id: read('id'),
      source: read('source'),
      type: read('type'),
      atMs: clock.nowMs(),
      origin,
      sinkUrl: plan.sinkUrl,
    });
    return refused(202, 'accepted');
  }

  /** O3 */
  #isRepeated({ uid, dedupeMs }: GitHubSourcePlan, id: string): boolean {
    if (dedupeMs === 0) return false;
    const nowMs = this.#options.clock.nowMs();
    const key = `${uid} ${id}`;
    if ((this.#seen.get(key) ?? 0) > nowMs) return true;
    this.#seen.set(key, nowMs + dedupeMs);
    for (const [oldest, untilMs] of this.#seen) {
      if (this.#seen.size <= DEDUPE_MAX && untilMs > nowMs) break;
      this.#seen.delete(oldest);
    }
    return false;
  }
}

/** By GitHub's own library, in constant time, over the bytes as they came; SHA-1 alone is no signature. */
async function isSigned(request: WebRequest, secret: string): Promise<boolean> {
  const signature = headerOf(request, 'x-hub-signature-256');
  if (signature === undefined || !/^sha256=[0-9a-f]{64}$/.test(signature)) return false;
  const { Webhooks } = await import('@octokit/webhooks');
  return new Webhooks({ secret }).verify(request.body.toString(), signature);
}

/** A header that is there once, and not empty. */
function headerOf({ headers, rawHeaders }: WebRequest, name: string): string | undefined {
  const value = headers[name];
  const times = rawHeaders.filter((each, i) => i % 2 === 0 && each.toLowerCase() === name).length;
  return typeof value === 'string' && value !== '' && times === 1 ? value : undefined;
}

function payloadField(form: Buffer): Buffer | undefined {
  const payload = new URLSearchParams(form.toString()).get('payload');
  return payload === null ? undefined : Buffer.from(payload);
}

function parsed(body: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString()) as unknown };
  } catch {
    return undefined;
  }
}
