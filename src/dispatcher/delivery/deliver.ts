import type { Dispatcher } from 'undici';
import type { Clock } from '../../base/clock.ts';
import type { Consumer, Failure, Offer, Stage, Verdict } from '../../channels/channel.ts';
import type { CloudEvent } from '../../events/event.ts';
import { readMessage, saysEvent } from '../../events/message.ts';
import type { DeliveryPlan } from '../../subscriptions/delivery-plan.ts';
import { isHeard, publishSignal, type Signals } from '../../telemetry/signals.ts';
import { post, type AttemptResult } from './attempt.ts';
import { deadLetterOf, messageFor, type Message } from './message.ts';
import { dueAfter, isRetriable } from './retry.ts';

export type DeliveryTools = {
  readonly outbound: Dispatcher;
  readonly clock: Clock;
  /** `Kind/namespace/name` of the channel, for signals. */
  readonly channel: string;
  readonly replyBytesMax: number;
};

/** `knativeerrordata` has at most 1 024 characters; base64 makes four of three bytes. */
const ERROR_DATA_BYTES = 768;

/** Turns each offer into one POST, and its end into a verdict. */
export function deliverer(plan: DeliveryPlan, tools: DeliveryTools): Consumer {
  const urls = {
    deliver: new URL(plan.subscriberUrl ?? plan.replyUrl ?? ''), // a plan has one of them
    reply: plan.replyUrl === undefined ? undefined : new URL(plan.replyUrl),
    deadLetter: plan.deadLetterUrl === undefined ? undefined : new URL(plan.deadLetterUrl),
  };
  return async (offer, signal) => {
    const url = urls[offer.stage.kind] ?? urls.deliver;
    const { headers, body } = outgoing(plan, offer);
    const atMs = tools.clock.nowMs();
    const { timeoutMs } = plan;
    const attempt = { url, headers, body, timeoutMs, replyBytesMax: tools.replyBytesMax };
    const result = await post(tools.outbound, attempt, signal);
    const delivered = result.outcome === 'delivered';
    const verdict = delivered
      ? afterDelivery(plan, tools, offer, result)
      : afterFailure(plan, tools, offer, result, url);
    if (isHeard('dispatcher.attempted')) tell(plan, tools, offer, { result, verdict, url, atMs });
    return verdict;
  };
}

function outgoing(plan: DeliveryPlan, { event, stage }: Offer): Message {
  switch (stage.kind) {
    case 'deliver': {
      const message = messageFor(event, plan.format, plan.namespace);
      if (plan.subscriberUrl !== undefined) message.headers.push('prefer', 'reply');
      return message;
    }
    case 'reply':
      return messageFor(stage.reply, 'binary', plan.namespace);
    case 'deadLetter':
      return messageFor(deadLetterOf(event, stage.failure), plan.format, plan.namespace);
  }
}

/** D3: whatever the answer carries, the event is delivered. */
function afterDelivery(
  plan: DeliveryPlan,
  tools: DeliveryTools,
  { event, stage }: Offer,
  result: AttemptResult,
): Verdict {
  if (stage.kind === 'reply') {
    publishSignal('reply.sent', replySignal(plan, tools, event, stage.reply, undefined));
    return SETTLED;
  }
  if (stage.kind === 'deadLetter' || plan.subscriberUrl === undefined) return SETTLED;
  const reply = replyIn(result);
  if (reply === undefined) return SETTLED;
  if (typeof reply !== 'string' && plan.replyUrl !== undefined)
    return { kind: 'advance', stage: { kind: 'reply', reply } };
  const dropped = typeof reply === 'string' ? reply : 'the subscription names no reply destination';
  publishSignal(
    'reply.sent',
    replySignal(plan, tools, event, typeof reply === 'string' ? undefined : reply, dropped),
  );
  return SETTLED;
}

/** The event in an answer, why there is none although there is a body, or undefined when there is nothing to reply. */
function replyIn({ headers, body, reason }: AttemptResult): CloudEvent | string | undefined {
  if (!saysEvent(headers))
    return body.byteLength === 0 ? undefined : 'the answer has a body, but no CloudEvent headers';
  if (reason !== undefined) return reason; // cut at the bound
  const read = readMessage(headers, body);
  switch (read.kind) {
    case 'event':
      return read.event;
    case 'batch':
      return 'the answer is a batch; one event is taken';
    case 'other':
      return 'the answer has no ce-specversion';
    case 'malformed':
      return `the answer is no valid CloudEvent: ${read.reason}`;
  }
}

function afterFailure(
  plan: DeliveryPlan,
  { clock }: DeliveryTools,
  offer: Offer,
  result: AttemptResult,
  url: URL,
): Verdict {
  const { attempt, stage } = offer;
  const reason = result.reason ?? result.outcome;
  const isExhausted = attempt > plan.retriesMax;
  if (isRetriable(result) && !isExhausted) {
    return {
      kind: 'retry',
      dueMs: dueAfter(plan, attempt, result, clock.nowMs()),
      reason,
      code: result.code,
    };
  }
  if (stage.kind === 'deadLetter') {
    const both = `${stage.failure.reason}; and its dead-letter sink ${url.href}: ${reason}`;
    return { kind: 'dead', failure: { ...stage.failure, reason: both } };
  }
  const failure: Failure = {
    dest: url.href,
    code: result.code === 0 ? 500 : result.code,
    data: result.body.subarray(0, ERROR_DATA_BYTES).toString('base64'),
    reason: `${reason}, attempt ${attempt} of ${isRetriable(result) ? plan.retriesMax + 1 : attempt}`,
  };
  return plan.deadLetterUrl === undefined
    ? { kind: 'dead', failure }
    : { kind: 'advance', stage: { kind: 'deadLetter', failure } };
}

const SETTLED: Verdict = { kind: 'settled' };

function replySignal(
  plan: DeliveryPlan,
  { clock, channel }: DeliveryTools,
  event: CloudEvent,
  reply: CloudEvent | undefined,
  dropped: string | undefined,
): Signals['reply.sent'] {
  return {
    ...keyOf(reply),
    atMs: clock.nowMs(),
    channel,
    group: plan.group,
    inReplyTo: event.attributes.get('id') ?? '',
    url: dropped === undefined ? plan.replyUrl : undefined,
    dropped,
  };
}

function tell(
  plan: DeliveryPlan,
  { clock, channel }: DeliveryTools,
  { event, stage, attempt }: Offer,
  { result, verdict, url, atMs }: { result: AttemptResult; verdict: Verdict; url: URL; atMs: number },
): void {
  publishSignal('dispatcher.attempted', {
    ...keyOf(event),
    atMs,
    tookMs: clock.nowMs() - atMs,
    channel,
    group: plan.group,
    stage: stage.kind,
    attempt,
    url: withoutUserInfo(url),
    code: result.code,
    outcome: result.outcome,
    reason: result.reason,
    next: verdict.kind === 'advance' ? nextStage(verdict.stage) : verdict.kind,
    dueMs: verdict.kind === 'retry' ? verdict.dueMs : undefined,
  });
}

function nextStage({ kind }: Stage): 'reply' | 'deadLetter' {
  return kind === 'reply' ? 'reply' : 'deadLetter';
}

function keyOf(event: CloudEvent | undefined): { id: string; source: string; type: string } {
  const read = (name: string): string => event?.attributes.get(name) ?? '';
  return { id: read('id'), source: read('source'), type: read('type') };
}

function withoutUserInfo(url: URL): string {
  return url.username === '' && url.password === '' ? url.href : `${url.origin}${url.pathname}${url.search}`;
}
