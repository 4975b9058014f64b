import type { Dispatcher } from 'undici';
import type { Clock } from '../../base/clock.ts';
import type { Consumer, Failure, Offer, Stage, Verdict } from '../../channels/channel.ts';
import type { CloudEvent } from '../../events/event.ts';
import { readMessage, saysEvent } from '../../events/message.ts';
import type { DeliveryPlan } from '../../subscriptions/delivery-plan.ts';
import { isHeard } from '../../telemetry/signals.ts';
import { post, type AttemptResult } from './attempt.ts';
import { deadLetterOf, messageFor, type Message } from './message.ts';
import type { ReplyRoom } from './reply-room.ts';
import { dueAfter, isRetriable } from './retry.ts';
import { targetOf, type Target } from './target.ts';
import { tellAttempt, tellReply, type Teller } from './tell.ts';

export type DeliveryTools = {
  readonly outbound: Dispatcher;
  readonly clock: Clock;
  /** `Kind/namespace/name` of the channel, for signals. */
  readonly channel: string;
  readonly replyBytesMax: number;
  readonly room: ReplyRoom;
};

/** `knativeerrordata` has at most 1 024 characters; base64 makes four of three bytes. */
const ERROR_DATA_BYTES = 768;
const SETTLED: Verdict = { kind: 'settled' };
const NO_DESTINATION = 'the subscription names no reply destination';

/** Turns each offer into one POST, and its end into a verdict. */
export function deliverer(plan: DeliveryPlan, tools: DeliveryTools): Consumer {
  const delivery = new Delivery(plan, tools);
  return (offer, signal) => delivery.attempt(offer, signal);
}

class Delivery {
  readonly #plan: DeliveryPlan;
  readonly #tools: DeliveryTools;
  readonly #teller: Teller;
  readonly #targets: Readonly<Record<Stage['kind'], Target | undefined>>;

  constructor(plan: DeliveryPlan, tools: DeliveryTools) {
    this.#plan = plan;
    this.#tools = tools;
    this.#teller = { channel: tools.channel, group: plan.group, nowMs: () => tools.clock.nowMs() };
    const optional = (url: string | undefined): Target | undefined =>
      url === undefined ? undefined : targetOf(url);
    this.#targets = {
      deliver: optional(plan.subscriberUrl ?? plan.replyUrl),
      reply: optional(plan.replyUrl),
      deadLetter: optional(plan.deadLetterUrl),
    };
  }

  async attempt(offer: Offer, signal: AbortSignal): Promise<Verdict> {
    const target = this.#targets[offer.stage.kind];
    if (target === undefined) return this.#withoutTarget(offer);
    const { outbound, clock, replyBytesMax, room } = this.#tools;
    const { headers, body } = this.#messageFor(offer, target);
    const atMs = clock.nowMs();
    const { timeoutMs } = this.#plan;
    const attempt = { target, headers, body, timeoutMs, replyBytesMax, room };
    const result = await post(outbound, attempt, signal);
    const verdict =
      result.outcome === 'delivered'
        ? this.#afterDelivery(offer, result, target)
        : this.#afterFailure(offer, result, target, signal);
    if (isHeard('dispatcher.attempted'))
      tellAttempt(this.#teller, { offer, result, verdict, url: target.shown, atMs });
    return verdict;
  }

  /** The subscription has changed since the event came to this stage, and names no such address any more (D6). */
  #withoutTarget({ event, stage }: Offer): Verdict {
    if (stage.kind === 'deadLetter') return { kind: 'dead', failure: stage.failure };
    const reply = stage.kind === 'reply' ? stage.reply : undefined;
    tellReply(this.#teller, event, reply, { dropped: NO_DESTINATION });
    return SETTLED;
  }

  #messageFor({ event, stage }: Offer, { authorization }: Target): Message {
    const { format, namespace, subscriberUrl } = this.#plan;
    const message =
      stage.kind === 'deliver'
        ? messageFor(event, format, namespace)
        : stage.kind === 'reply'
          ? messageFor(stage.reply, 'binary', namespace)
          : messageFor(deadLetterOf(event, stage.failure), format, namespace);
    if (stage.kind === 'deliver' && subscriberUrl !== undefined) message.headers.push('prefer', 'reply');
    if (authorization !== undefined) message.headers.push('authorization', authorization);
    return message;
  }

  /** D3: whatever the answer carries, the event is delivered. */
  #afterDelivery({ event, stage }: Offer, result: AttemptResult, { shown }: Target): Verdict {
    if (stage.kind === 'reply') tellReply(this.#teller, event, stage.reply, { url: shown });
    if (stage.kind !== 'deliver' || this.#plan.subscriberUrl === undefined) return SETTLED;
    const reply = replyIn(result);
    if (reply === undefined) return SETTLED;
    if (typeof reply === 'string') tellReply(this.#teller, event, undefined, { dropped: reply });
    else if (this.#plan.replyUrl === undefined)
      tellReply(this.#teller, event, reply, { dropped: NO_DESTINATION });
    else return { kind: 'advance', stage: { kind: 'reply', reply } };
    return SETTLED;
  }

  #afterFailure(offer: Offer, result: AttemptResult, { shown }: Target, signal: AbortSignal): Verdict {
    const { attempt, stage } = offer;
    const { code, reason = result.outcome } = result;
    const nowMs = this.#tools.clock.nowMs();
    if (signal.aborted && code === 0) return { kind: 'retry', dueMs: nowMs, reason, code }; // D7
    const canRetry = isRetriable(result);
    if (canRetry && attempt <= this.#plan.retriesMax)
      return { kind: 'retry', dueMs: dueAfter(this.#plan, attempt, result, nowMs), reason, code };
    if (stage.kind === 'deadLetter') {
      const both = `${stage.failure.reason}; and its dead-letter sink ${shown}: ${reason}`;
      return { kind: 'dead', failure: { ...stage.failure, reason: both } };
    }
    const attemptsMax = canRetry ? this.#plan.retriesMax + 1 : attempt;
    const failure: Failure = {
      dest: shown,
      code: code === 0 ? 500 : code,
      data: errorData(result),
      reason: `${reason}, attempt ${attempt} of ${Math.max(attempt, attemptsMax)}`,
    };
    if (this.#targets.deadLetter === undefined) return { kind: 'dead', failure };
    return { kind: 'advance', stage: { kind: 'deadLetter', failure } };
  }
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

/** Base64 of the answer's first bytes; without an answer, of what went wrong (eventing event_dispatcher.go). */
function errorData({ code, body, reason }: AttemptResult): string {
  const bytes = code === 0 ? Buffer.from(`dispatch error: ${reason ?? ''}`) : body;
  return bytes.subarray(0, ERROR_DATA_BYTES).toString('base64');
}
