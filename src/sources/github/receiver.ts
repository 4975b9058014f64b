import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { EventSink } from '../../events/sink.ts';
import type { ByteBudget } from '../../http/body.ts';
import { createWebApp, type WebAnswer, type WebRequest } from '../../http/web-app.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import { DedupeWindow } from './dedupe-window.ts';
import { isSigned, readHeaders, readPayload } from './delivery.ts';
import { eventOf } from './event.ts';
import type { GitHubSourcePlan } from './plan.ts';

export type ReceiverOptions = {
  readonly find: (namespace: string, name: string) => GitHubSourcePlan | undefined;
  /** The secret as it is now; undefined when it is not there. */
  readonly secretOf: (plan: GitHubSourcePlan) => string | undefined;
  readonly sinkFor: (plan: GitHubSourcePlan) => EventSink;
  readonly clock: Clock;
  readonly budget: ByteBudget;
  /** Told of what no sender can have caused. */
  readonly onError: (error: unknown) => void;
  readonly bodyWithinMs?: number;
  readonly sinkWithinMs?: number;
};

/** GitHub's own bound for a payload. */
const BYTES_MAX = 25 * 1024 * 1024;
/** GitHub waits ten seconds; both together stay below that, with room for checking the largest payload. */
const BODY_WITHIN_MS = 6000;
const SINK_WITHIN_MS = 3000;

const LATER = { 'retry-after': '10' };

/** What a sender is told: `sent` when its event is kept, otherwise why not. */
type Told = { readonly code: number; readonly reason: string; readonly sent?: CloudEvent };

const later = (reason: string): Told => ({ code: 503, reason });

/** Answers `POST /webhooks/<namespace>/<source>`; what it needs of libraries is loaded with the first delivery. */
export function createGitHubReceiver(
  options: ReceiverOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const receiver = new Receiver(options);
  const { budget, onError, bodyWithinMs: timeoutMs = BODY_WITHIN_MS } = options;
  let app: ReturnType<typeof createWebApp> | undefined;
  return (request, response) => {
    app ??= createWebApp({
      routes: [
        { method: 'post', path: '/webhooks/:namespace/:source', answer: (each) => receiver.answer(each) },
      ],
      limits: { maxBytes: BYTES_MAX, budget, timeoutMs },
      onError,
    });
    void app.then((answer) => answer(request, response));
  };
}

class Receiver {
  readonly #options: ReceiverOptions;
  readonly #window: DedupeWindow;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#window = new DedupeWindow(options.clock);
  }

  async answer(request: WebRequest): Promise<WebAnswer> {
    const { find } = this.#options;
    const [namespace, name] = [String(request.params['namespace']), String(request.params['source'])];
    const plan = find(namespace, name);
    const told =
      plan === undefined
        ? { code: 404, reason: `there is no GitHubSource ${namespace}/${name}` }
        : await this.#receive(plan, request);
    this.#tell(plan, told);
    const { code, reason } = told;
    return { code, body: `${reason}\n`, headers: { ...TEXT, ...(code === 503 && LATER) } };
  }

  async #receive(plan: GitHubSourcePlan, request: WebRequest): Promise<Told> {
    const headers = readHeaders(request);
    if ('kind' in headers) return headers;
    const secret = this.#options.secretOf(plan);
    if (secret === undefined || secret === '') return later('the secret of this source is not there yet');
    if (!(await isSigned(request, secret)))
      return { code: 401, reason: 'the signature is missing or does not fit' }; // O1
    const read = readPayload(request);
    if ('kind' in read) return read;
    const { event } = headers;
    if (event === 'ping') return { code: 200, reason: 'ping: nothing is forwarded' };
    if (!plan.eventTypes.has('*') && !plan.eventTypes.has(event))
      return {
        code: 200,
        reason: `${event} is not among the eventTypes of this source: nothing is forwarded`,
      };
    if (plan.sinkUrl === undefined) return later('the sink of this source has no address yet');
    return this.#keep(plan, eventOf(plan, { ...headers, ...read }), headers.id);
  }

  async #keep(plan: GitHubSourcePlan, event: CloudEvent, id: string): Promise<Told> {
    const { dedupeMs, uid } = plan;
    try {
      if (dedupeMs === 0) {
        await this.#send(plan, event);
      } else {
        const how = await this.#window.once(`${uid} ${id}`, dedupeMs, () => this.#send(plan, event)); // O3
        if (how === 'repeated') return { code: 202, reason: 'accepted before' };
      }
      return { code: 202, reason: 'accepted', sent: event };
    } catch (error) {
      if (!(error instanceof PlatformError)) this.#options.onError(error);
      else if (error.code === 'EVENT_TOO_LARGE') return { code: 413, reason: error.message };
      return later(`the event cannot be kept at the moment: ${messageOf(error)}`);
    }
  }

  /** A sink that takes longer than the sender waits is as good as none, whether or not it heeds the signal. */
  async #send(plan: GitHubSourcePlan, event: CloudEvent): Promise<void> {
    const { sinkFor, sinkWithinMs = SINK_WITHIN_MS } = this.#options;
    const late = new PlatformError('SINK_LATE', `the sink did not take it within ${sinkWithinMs} ms`, {
      retryable: true,
    });
    const { promise: deadline, reject } = Promise.withResolvers<never>();
    const stop = new AbortController();
    const timer = setTimeout(() => {
      reject(late); // first, so that the sender is told this and not what the sink makes of the signal
      stop.abort(late);
    }, sinkWithinMs);
    try {
      await Promise.race([sinkFor(plan).send(event, stop.signal), deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Every delivery that is not forwarded counts as turned away, the expected ones too. */
  #tell(plan: GitHubSourcePlan | undefined, { code, reason, sent }: Told): void {
    const atMs = this.#options.clock.nowMs();
    // Whoever asks for what is not there chooses the name: it becomes no label of a metric.
    const origin = plan === undefined ? 'GitHubSource' : `GitHubSource/${plan.key}`;
    if (sent === undefined) return publishSignal('source.refused', { atMs, origin, code, reason });
    const read = (name: string): string => sent.attributes.get(name) ?? '';
    publishSignal('source.sent', {
      id: read('id'),
      source: read('source'),
      type: read('type'),
      atMs,
      origin,
      sinkUrl: withoutUser(plan?.sinkUrl ?? ''),
    });
  }
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/** Signals carry no secret. */
function withoutUser(address: string): string {
  if (!URL.canParse(address)) return '';
  const url = new URL(address);
  url.username = url.password = '';
  return url.href;
}
