import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import { readMessage } from '../../events/message.ts';
import { readBody, type BodyLimits } from '../../http/body.ts';
import { answerText } from '../../http/respond.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import type { Channel } from '../channel.ts';

export type IngressOptions = {
  /** The channel that answers for a path below `/channels/`; undefined when there is none. */
  readonly find: (namespace: string, name: string) => Channel | undefined;
  readonly limits: BodyLimits;
};

const ALLOW = { allow: 'POST, OPTIONS' };
/** CloudEvents webhooks, 4: anybody may send here, at any rate (as upstream answers). */
const HANDSHAKE = { ...ALLOW, 'webhook-allowed-origin': '*', 'webhook-allowed-rate': '*' };
const RETRY_SOON = { 'retry-after': '1' };

/** The front door of channels: answers as upstream's channel receiver does (eventing pkg/channel/event_receiver.go). */
export function createIngress(
  options: IngressOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { method } = request;
    if (method === 'OPTIONS') return answerText(response, 200, '', HANDSHAKE);
    if (method !== 'POST')
      return answerText(response, 405, `${method} is not taken here; POST an event`, ALLOW);
    const target = channelPath(request.url ?? '');
    const channel = target && options.find(target.namespace, target.name);
    if (target === undefined || channel === undefined) {
      return answerText(response, 404, `no channel answers at ${request.url?.split('?')[0]}`);
    }
    const refuse = refusal(response, `${target.namespace}/${target.name}`);
    void accept(request, response, { channel, refuse, limits: options.limits });
  };
}

type Refuse = (code: number, reason: string) => void;

function channelPath(url: string): { namespace: string; name: string } | undefined {
  const match = /^\/channels\/([a-z0-9-]+)\/([a-z0-9.-]+)\/?(?:\?|$)/.exec(url);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { namespace: match[1], name: match[2] };
}

async function accept(
  request: IncomingMessage,
  response: ServerResponse,
  { channel, refuse, limits }: { channel: Channel; refuse: Refuse; limits: BodyLimits },
): Promise<void> {
  const read = await readBody(request, limits);
  if (read.kind === 'gone') return;
  if (read.kind === 'refused') return refuse(read.code, read.reason);
  try {
    const received = readMessage(request.rawHeaders, read.body);
    switch (received.kind) {
      case 'event':
        await channel.publish(received.event);
        break;
      case 'batch':
        await publishAll(channel, received.events);
        break;
      case 'other':
        return refuse(400, 'ce-specversion: required, and missing; this is no CloudEvent');
      case 'malformed':
        return refuse(received.code, received.reason);
    }
    response.statusCode = 202;
    response.setHeader('content-length', '0');
    response.end();
  } catch (error) {
    refuse(codeOf(error), messageOf(error));
  } finally {
    limits.budget.give(read.held);
  }
}

async function publishAll(channel: Channel, events: readonly CloudEvent[]): Promise<void> {
  await Promise.all(events.map((event) => channel.publish(event))); // I2
}

function codeOf(error: unknown): number {
  if (!(error instanceof PlatformError)) throw error; // a bug: nothing here may throw anything else
  if (error.code === 'CHANNEL_FULL') return 429;
  return error.code === 'EVENT_TOO_LARGE' ? 413 : 503;
}

function refusal(response: ServerResponse, channel: string): Refuse {
  return (code, reason) => {
    publishSignal('channel.refused', { atMs: Date.now(), channel, code, reason });
    const isLater = code === 429 || code === 503;
    // A body that was not read to its end would be taken for the next request.
    const close = code === 413 ? { connection: 'close' } : {};
    answerText(response, code, reason, { ...(isLater && RETRY_SOON), ...close });
  };
}
