import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { EventSink } from '../../events/sink.ts';
import { receiveBody, type BodyLimits, type BodyRead, type ByteBudget } from '../../http/body.ts';
import { answerText, answerUnread } from '../../http/respond.ts';
import { isHeard, publishSignal } from '../../telemetry/signals.ts';
import { DedupeWindow } from './dedupe-window.ts';
import type { DoorSource } from './door-source.ts';

export type DoorOptions = {
  readonly find: (namespace: string, name: string) => DoorSource | undefined;
  readonly sinkFor: (source: DoorSource) => EventSink;
  readonly clock: Clock;
  readonly budget: ByteBudget;
  /** Told of what no sender can have caused. */
  readonly onError: (error: unknown) => void;
  readonly bodyWithinMs?: number;
  readonly sinkWithinMs?: number;
};

/** GitHub's own bound for a payload; other services stay far below it. */
const BYTES_MAX = 25 * 1024 * 1024;
/** GitHub waits ten seconds; both together stay below that, with room for checking the largest payload. */
const BODY_WITHIN_MS = 6000;
const SINK_WITHIN_MS = 3000;

const LATER = { 'retry-after': '10' };
const BUSY = { 'retry-after': '1' };

/** What a sender is told: `sent` when its event is kept, otherwise why not. */
type Told = {
  readonly code: number;
  readonly reason: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sent?: CloudEvent;
};

const later = (reason: string): Told => ({ code: 503, reason, headers: LATER });

/** Answers at `/webhooks/<namespace>/<name>`: 202 only once the sink has taken responsibility for the event. */
export function createDoor(
  options: DoorOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const door = new Door(options);
  return (request, response) => door.answer(request, response);
}

class Door {
  readonly #options: DoorOptions;
  readonly #limits: BodyLimits;
  readonly #window: DedupeWindow;

  constructor(options: DoorOptions) {
    this.#options = options;
    const { budget, clock, bodyWithinMs: timeoutMs = BODY_WITHIN_MS } = options;
    this.#limits = { maxBytes: BYTES_MAX, budget, timeoutMs };
    this.#window = new DedupeWindow(clock);
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request;
    const [, namespace, name] = PLACE.exec(url) ?? [];
    if (namespace === undefined || name === undefined)
      return answerUnread(request, response, 404, `nothing answers at ${url.split('?', 1)[0]}`);
    const source = this.#options.find(namespace, name);
    if (source === undefined) {
      const reason = `there is no source ${namespace}/${name} that takes webhooks`;
      this.#tell(undefined, { code: 404, reason });
      return answerUnread(request, response, 404, reason);
    }
    const allow = source.handshake === undefined ? 'POST' : 'POST, OPTIONS';
    if (method === 'OPTIONS' && source.handshake !== undefined)
      return answerText(response, 200, '', { allow, ...source.handshake(headers) });
    if (method !== 'POST')
      return answerUnread(request, response, 405, `${method} is not taken here`, { allow });
    receiveBody(request, this.#limits, (read) => void this.#onBody(source, request, response, read));
  }

  async #onBody(
    source: DoorSource,
    request: IncomingMessage,
    response: ServerResponse,
    read: BodyRead,
  ): Promise<void> {
    if (read.kind === 'gone') return;
    if (read.kind === 'refused')
      return answerUnread(request, response, read.code, read.reason, read.code === 503 ? BUSY : {});
    try {
      const told = await this.#receive(source, request, read.body);
      this.#tell(source, told);
      const { code, reason, body = `${reason}\n`, headers = {} } = told;
      response.writeHead(code, { ...TEXT, 'content-length': String(Buffer.byteLength(body)), ...headers });
      response.end(body);
    } catch (error) {
      this.#options.onError(error);
      answerUnread(request, response, 500, 'internal error');
    } finally {
      this.#limits.budget.give(read.held);
    }
  }

  async #receive(source: DoorSource, { headers, rawHeaders }: IncomingMessage, body: Buffer): Promise<Told> {
    const reading = source.read({ headers, rawHeaders, body });
    const read = reading instanceof Promise ? await reading : reading;
    if (read.kind === 'answer')
      return read.code === 503 ? { ...read, headers: { ...LATER, ...read.headers } } : read;
    if (source.sinkUrl === undefined) return later('the sink of this source has no address yet');
    return this.#keep(source, read.event, read.id);
  }

  async #keep(source: DoorSource, event: CloudEvent, id: string | undefined): Promise<Told> {
    const { dedupeMs, uid } = source;
    try {
      if (dedupeMs === 0 || id === undefined) {
        await this.#send(source, event);
      } else {
        const how = await this.#window.once(`${uid} ${id}`, dedupeMs, () => this.#send(source, event)); // O3
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
  async #send(source: DoorSource, event: CloudEvent): Promise<void> {
    const { sinkFor, sinkWithinMs = SINK_WITHIN_MS } = this.#options;
    const { promise: deadline, reject } = Promise.withResolvers<never>();
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const message = `the sink did not take it within ${sinkWithinMs} ms`;
      const late = new PlatformError('SINK_LATE', message, { retryable: true });
      reject(late); // first, so that the sender is told this and not what the sink makes of the signal
      stop.abort(late);
    }, sinkWithinMs);
    try {
      await Promise.race([sinkFor(source).send(event, stop.signal), deadline]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Every delivery that is not forwarded counts as turned away, the expected ones too. */
  #tell(source: DoorSource | undefined, { code, reason, sent }: Told): void {
    const atMs = this.#options.clock.nowMs();
    // Whoever asks for what is not there chooses the name: it becomes no label of a metric.
    const origin = source?.origin ?? 'Webhook';
    if (sent === undefined) return publishSignal('source.refused', { atMs, origin, code, reason });
    if (!isHeard('source.sent')) return;
    const read = (name: string): string => sent.attributes.get(name) ?? '';
    publishSignal('source.sent', {
      id: read('id'),
      source: read('source'),
      type: read('type'),
      atMs,
      origin,
      sinkUrl: withoutUser(source?.sinkUrl ?? ''),
    });
  }
}

/** Names of Kubernetes objects need no decoding. */
const PLACE = /^\/webhooks\/([a-z0-9-]+)\/([a-z0-9.-]+)\/?(?:\?|$)/;
const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/** Signals carry no secret. */
function withoutUser(address: string): string {
  if (!address.includes('@')) return address;
  if (!URL.canParse(address)) return '';
  const url = new URL(address);
  url.username = url.password = '';
  return url.href;
}
