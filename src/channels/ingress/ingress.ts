import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { isBatchType, readMessage } from '../../events/message.ts';
import { receiveBody, type BodyLimits, type BodyRead } from '../../http/body.ts';
import { answerText, answerUnread } from '../../http/respond.ts';
import { isHeard, publishSignal } from '../../telemetry/signals.ts';
import type { Channel } from '../channel.ts';

/** What answers at an address; `key` names it in signals: kind/namespace/name. */
export type Door = { readonly channel: Channel; readonly key: string };

export type IngressOptions = {
  /** The channel that answers at `/channels/<namespace>/<name>`; undefined when there is none, `opening`: not yet. */
  readonly find: (namespace: string, name: string) => Door | 'opening' | undefined;
  readonly limits: BodyLimits;
  readonly clock: Clock;
};

const ALLOW = { allow: 'POST, OPTIONS' };
/** CloudEvents webhooks, 4: anybody may send here, at any rate (as upstream answers). */
const HANDSHAKE = { ...ALLOW, 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' };
const ACCEPTED = { 'content-length': '0' };
/** A full channel frees itself as fast as its slowest subscriber; what is merely busy does so at once. */
const RETRY_AFTER: Readonly<Record<number, string>> = { 429: '5', 503: '1' };

const LATER = { 'retry-after': '1' };

/** The front door of channels: answers as upstream's channel receiver does (eventing pkg/channel/event_receiver.go). */
export function createIngress(
  options: IngressOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { method, url = '' } = request;
    if (method !== 'POST') return answerOther(request, response);
    const path = pathOf(url);
    const door = path?.collection === 'channels' ? options.find(path.namespace, path.name) : undefined;
    if (door === undefined)
      return answerUnread(request, response, 404, `no channel answers at ${url.split('?', 1)[0]}`);
    if (door === 'opening')
      return answerUnread(request, response, 503, `${url.split('?', 1)[0]} is being opened`, LATER);
    const delivery = new Delivery(request, response, door, options);
    if (isBatch(request)) return delivery.refuse(415, NO_BATCH);
    receiveBody(request, options.limits, (read) => delivery.onBody(read));
  };
}

/** One request, from its body to its answer. Callbacks and no promises: this is the hot path. */
class Delivery {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #door: Door;
  readonly #options: IngressOptions;

  constructor(request: IncomingMessage, response: ServerResponse, door: Door, options: IngressOptions) {
    this.#request = request;
    this.#response = response;
    this.#door = door;
    this.#options = options;
  }

  onBody(read: BodyRead): void {
    if (read.kind === 'gone') return;
    if (read.kind === 'refused') return this.refuse(read.code, read.reason);
    const { budget } = this.#options.limits;
    const received = readMessage(this.#request.rawHeaders, read.body);
    if (received.kind !== 'event') {
      budget.give(read.held);
      if (received.kind === 'malformed') return this.refuse(received.code, received.reason);
      return this.refuse(400, 'ce-specversion: required, and missing; this is no CloudEvent');
    }
    this.#door.channel.publish(received.event).then(
      () => {
        budget.give(read.held);
        this.#response.writeHead(202, ACCEPTED).end(); // I1
      },
      (error: unknown) => {
        budget.give(read.held);
        this.refuse(codeOf(error), messageOf(error));
      },
    );
  }

  refuse(code: number, reason: string): void {
    if (isHeard('channel.refused')) {
      const atMs = this.#options.clock.nowMs();
      publishSignal('channel.refused', { atMs, channel: this.#door.key, code, reason });
    }
    const after = RETRY_AFTER[code];
    const headers = after === undefined ? {} : { 'retry-after': after };
    answerUnread(this.#request, this.#response, code, reason, headers);
  }
}

const NO_BATCH =
  'content-type: a batch is not taken here, since it could be kept in part; send each event by itself, in binary mode or as application/cloudevents+json';

/** HTTP binding 3.3: batches are for those who asked for them (I2). */
function isBatch({ headers }: IncomingMessage): boolean {
  const type = headers['content-type'];
  return type !== undefined && isBatchType(type);
}

function answerOther(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'OPTIONS') return answerText(response, 200, '', HANDSHAKE);
  answerUnread(request, response, 405, `${request.method} is not taken here; POST an event`, ALLOW);
}

type Path = { readonly collection: string; readonly namespace: string; readonly name: string };

/** `/<collection>/<namespace>/<name>`; a slash or a query may follow. */
function pathOf(url: string): Path | undefined {
  const [, collection, namespace, name] =
    /^\/([a-z]+)\/([a-z0-9-]+)\/([a-z0-9.-]+)\/?(?:\?|$)/.exec(url) ?? [];
  if (collection === undefined || namespace === undefined || name === undefined) return undefined;
  return { collection, namespace, name };
}

/** Which answer a channel's refusal is (C1). Anything but a PlatformError is a bug, and ends the process. */
function codeOf(error: unknown): 413 | 429 | 503 {
  if (!(error instanceof PlatformError)) throw error;
  switch (error.code) {
    case 'CHANNEL_FULL':
      return 429;
    case 'EVENT_TOO_LARGE':
      return 413;
    default:
      return 503; // CHANNEL_LOST, CHANNEL_CLOSED: the supervisor reopens it
  }
}
