import type { IncomingHttpHeaders } from 'node:http';
import { readMessage, saysEvent } from '../../events/message.ts';
import { headerOnce, type DoorRequest, type DoorSource, type Reading } from '../door/door-source.ts';
import { bodyValuesOf, type BodyValues } from './body-values.ts';
import { eventOf, readsBody } from './event.ts';
import type { WebhookPlan } from './plan.ts';
import { verify, type Secret } from './verify.ts';

export type WebhookTools = {
  /** The secrets that are there now, in the order of the plan. */
  readonly secretsOf: (plan: WebhookPlan) => readonly Secret[];
  readonly nowMs: () => number;
  readonly randomId: () => string;
};

const ORIGIN = 'webhook-request-origin';
const NO_VALUES: BodyValues = { at: () => undefined };
const answer = (code: number, reason: string, headers = {}): Reading => ({
  kind: 'answer',
  code,
  reason,
  headers,
});

/** The deliveries of any service at the door. */
export function webhookDoor(plan: WebhookPlan, tools: WebhookTools): DoorSource {
  const { key, uid, sinkUrl, dedupeMs, handshake } = plan;
  const isBodyRead = readsBody(plan);
  return {
    origin: `WebhookSource/${key}`,
    uid,
    sinkUrl,
    dedupeMs,
    read: (request) => read(plan, tools, isBodyRead, request),
    ...(handshake !== undefined && { handshake: (headers) => handshakeOf(handshake, headers) }),
  };
}

function read(plan: WebhookPlan, tools: WebhookTools, isBodyRead: boolean, request: DoorRequest): Reading {
  const { verification, handshake } = plan;
  const secrets = tools.secretsOf(plan);
  if (verification.kind !== 'none' && secrets.length === 0)
    return answer(503, 'the secret of this source is not there yet');
  const verdict = verify(verification, secrets, request, tools.nowMs());
  if (verdict.kind === 'refused') {
    const { challenge } = verdict;
    const asks = challenge === undefined ? {} : { 'www-authenticate': `${challenge} realm="webhooks"` };
    return answer(401, verdict.reason, asks);
  }
  const origin = headerOnce(request, ORIGIN);
  if (
    handshake !== undefined &&
    origin !== undefined &&
    allowedOrigin(handshake.origins, origin) === undefined
  )
    return answer(403, `${ORIGIN}: ${JSON.stringify(origin)} is not among the allowedOrigins of this source`);
  if (saysEvent(request.rawHeaders)) return asItIs(plan, request);
  const values = isBodyRead || verification.kind === 'slack' ? bodyValuesOf(request) : NO_VALUES;
  if ('fault' in values) return answer(400, values.fault);
  if (verification.kind === 'slack' && values.at('/type') === 'url_verification') return challengeOf(values);
  return { kind: 'event', ...eventOf(plan, request, values, tools.randomId()) };
}

/** A CloudEvent stays what it is, but for `ceOverrides`. */
function asItIs({ overrides }: WebhookPlan, { rawHeaders, body }: DoorRequest): Reading {
  const received = readMessage(rawHeaders, body);
  switch (received.kind) {
    case 'malformed':
      return answer(received.code, received.reason);
    case 'batch':
      return answer(415, 'content-type: a batch is not taken here; send each event by itself');
    case 'other':
      return answer(400, 'ce-specversion: required, and missing');
    case 'event': {
      const { event } = received;
      const id = `${event.attributes.get('source')} ${event.attributes.get('id')}`;
      const attributes = new Map([...event.attributes, ...overrides]);
      return { kind: 'event', event: overrides.size === 0 ? event : { ...event, attributes }, id };
    }
  }
}

/** docs.slack.dev/reference/events/url_verification: the challenge comes back as it is. */
function challengeOf(values: BodyValues): Reading {
  const body = values.at('/challenge') ?? '';
  return { kind: 'answer', code: 200, reason: 'url_verification: nothing is forwarded', body };
}

/** CloudEvents webhooks, 4.2: who is not allowed finds no permission in the answer. */
function handshakeOf(
  { origins, rate }: NonNullable<WebhookPlan['handshake']>,
  headers: IncomingHttpHeaders,
): Readonly<Record<string, string>> {
  const asked = headers[ORIGIN];
  const allowed = typeof asked === 'string' ? allowedOrigin(origins, asked) : undefined;
  if (allowed === undefined) return {};
  return { 'webhook-allowed-origin': allowed, 'webhook-allowed-rate': allowedRate(rate, headers) };
}

/** No more than was asked for, and no more than is allowed; `*` knows no limit. */
function allowedRate(rate: number | undefined, headers: IncomingHttpHeaders): string {
  if (rate === undefined) return '*';
  const asked = Number(headers['webhook-request-rate']);
  return String(asked >= 1 ? Math.min(rate, Math.floor(asked)) : rate);
}

function allowedOrigin(origins: readonly string[], asked: string): string | undefined {
  if (origins.includes('*')) return '*';
  return origins.some((origin) => origin.toLowerCase() === asked.toLowerCase()) ? asked : undefined;
}
