import type * as Amqp from 'amqplib';
import { unreachable } from '../../base/errors.ts';
import { eventIn, type Wrapping } from '../../clients/rabbitmq/message.ts';
import { toAmqp, type AmqpMessage, type AttributePrefix } from '../../events/amqp-binding.ts';
import type { CloudEvent } from '../../events/event.ts';
import { decodeHead, encodeHead } from '../../events/head.ts';
import type { Failure, Stage } from '../channel.ts';

/** What is owed to a group, as it stands in the broker. `bury`: given up, but the dead-letter queue had no room. */
export type Owed = {
  readonly event: CloudEvent;
  readonly seq: number;
  /** Attempts that have failed in this stage. */
  readonly attempts: number;
  readonly stage: Stage | { readonly kind: 'bury'; readonly failure: Failure };
  readonly dueMs: number | undefined;
  /** Until when its copy stays in a waiting queue; never later than `dueMs` by much. */
  readonly untilMs?: number | undefined;
  /** Which copy this is; undefined: it is no copy, but came from the exchange. */
  readonly copyId: string | undefined;
  /** Its place among the copies of an ordered group. */
  readonly order: number | undefined;
};

export type Letter = {
  readonly event: CloudEvent;
  readonly seq: number;
  readonly attempts: number;
  readonly failure: Failure;
  readonly diedMs: number;
};

export type Message = { readonly body: Buffer; readonly options: Amqp.Options.Publish };

/** Whose messages these are, and where what they lack comes from. */
export type Reader = Wrapping & {
  readonly prefix: AttributePrefix;
  readonly newSeq: () => number;
  readonly nowMs: () => number;
};

const SEQ = 'x-millrace-seq';
const ATTEMPTS = 'x-millrace-attempts';
const DUE = 'x-millrace-due';
const UNTIL = 'x-millrace-until';
const COPY = 'x-millrace-copy';
const ORDER = 'x-millrace-order';
const STAGE = 'x-millrace-stage';
const FAILURE = 'x-millrace-failure';
const REPLY = 'x-millrace-reply'; // how long the event's own bytes and the reply's head are; the reply's body follows
const DIED = 'x-millrace-died';
const REASON_MAX = 4096;

/** A new event, as every consumer of the exchange sees it. */
export function toMessage(event: CloudEvent, seq: number, prefix: AttributePrefix): Message {
  return message(toAmqp(event, prefix), { [SEQ]: seq }, []);
}

/** What is to be offered again, with how far it has come. */
export function toCopy(owed: Owed, prefix: AttributePrefix): Message {
  const { event, seq, attempts, stage, dueMs, untilMs, copyId, order } = owed;
  const own = toAmqp(event, prefix);
  const times = { [DUE]: dueMs, [UNTIL]: untilMs };
  const notes = {
    ...times,
    [SEQ]: seq,
    [ATTEMPTS]: attempts,
    [COPY]: copyId,
    [ORDER]: order,
    [STAGE]: stage.kind,
  };
  switch (stage.kind) {
    case 'deliver':
      return message(own, notes, []);
    case 'bury':
    case 'deadLetter':
      return message(own, { ...notes, [FAILURE]: written(stage.failure) }, []);
    case 'reply': {
      const head = encodeHead(stage.reply);
      const lengths = `${own.body.byteLength} ${head.byteLength}`;
      return message(own, { ...notes, [REPLY]: lengths }, [head, stage.reply.body]);
    }
    default:
      return unreachable(stage);
  }
}

export function toLetter(letter: Letter, prefix: AttributePrefix): Message {
  const { event, seq, attempts, failure, diedMs } = letter;
  const notes = { [SEQ]: seq, [ATTEMPTS]: attempts, [FAILURE]: written(failure), [DIED]: diedMs };
  return message(toAmqp(event, prefix), notes, []);
}

/** Reads what came from the exchange, from whoever published it: notes on attempts count in our own copies alone. */
export function fromMain(delivery: Amqp.Message, reader: Reader): Owed {
  const seq = numberIn(delivery, SEQ) ?? reader.newSeq();
  const event = eventIn(delivery, delivery.content, reader);
  const fresh = { attempts: 0, stage: { kind: 'deliver' }, dueMs: undefined } as const;
  return { event, seq, ...fresh, copyId: undefined, order: undefined };
}

export function fromCopy(delivery: Amqp.Message, reader: Reader): Owed {
  const { own, reply } = partsOf(delivery);
  return {
    event: eventIn(delivery, own, reader),
    seq: numberIn(delivery, SEQ) ?? reader.newSeq(),
    attempts: numberIn(delivery, ATTEMPTS) ?? 0,
    stage: stageIn(delivery, reply),
    dueMs: numberIn(delivery, DUE),
    untilMs: numberIn(delivery, UNTIL),
    copyId: textIn(delivery, COPY) ?? reader.newId(),
    order: numberIn(delivery, ORDER),
  };
}

/** A dead letter of ours, or one that RabbitMQ has made: its delivery limit, or a policy that an operator has set. */
export function fromLetter(delivery: Amqp.Message, reader: Reader): Letter {
  const { own } = partsOf(delivery);
  const reason = textIn(delivery, 'x-first-death-reason') ?? 'no reason was given';
  const byBroker = { dest: '', code: 500, data: '', reason: `RabbitMQ has given it up: ${reason}` };
  return {
    event: eventIn(delivery, own, reader),
    seq: numberIn(delivery, SEQ) ?? reader.newSeq(),
    attempts: numberIn(delivery, ATTEMPTS) ?? 0,
    failure: failureIn(delivery) ?? byBroker,
    diedMs: numberIn(delivery, DIED) ?? brokersTimeIn(delivery) ?? reader.nowMs(),
  };
}

/** Of a body and its attributes, as backlog figures count. */
export function bytesOf({ attributes, body }: CloudEvent): number {
  let bytes = body.byteLength;
  for (const [name, value] of attributes) bytes += name.length + value.length;
  return bytes;
}

function message(
  { contentType, messageId, headers, body }: AmqpMessage,
  notes: Readonly<Record<string, unknown>>,
  more: readonly Uint8Array[],
): Message {
  const own = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const options: Amqp.Options.Publish = { headers: Object.assign(headers, notes), persistent: true };
  if (contentType !== undefined) options.contentType = contentType;
  if (messageId !== undefined) options.messageId = messageId;
  return { body: more.length === 0 ? own : Buffer.concat([own, ...more]), options };
}

function partsOf(delivery: Amqp.Message): { own: Buffer; reply: CloudEvent | undefined } {
  const { content } = delivery;
  const [ownBytes, headBytes] = (textIn(delivery, REPLY) ?? '').split(' ').map(Number);
  if (ownBytes === undefined || headBytes === undefined) return { own: content, reply: undefined };
  const headEnd = ownBytes + headBytes;
  try {
    const head = decodeHead(content.subarray(ownBytes, headEnd));
    return { own: content.subarray(0, ownBytes), reply: { ...head, body: content.subarray(headEnd) } };
  } catch {
    return { own: content, reply: undefined }; // anyone may write to a queue
  }
}

function stageIn(delivery: Amqp.Message, reply: CloudEvent | undefined): Owed['stage'] {
  const kind = textIn(delivery, STAGE);
  const failure = failureIn(delivery);
  if (kind === 'reply' && reply !== undefined) return { kind, reply };
  if ((kind === 'deadLetter' || kind === 'bury') && failure !== undefined) return { kind, failure };
  return { kind: 'deliver' };
}

function written({ reason, ...rest }: Failure): string {
  return JSON.stringify({ ...rest, reason: reason.slice(0, REASON_MAX) });
}

function failureIn(delivery: Amqp.Message): Failure | undefined {
  try {
    const text = textIn(delivery, FAILURE);
    return text === undefined ? undefined : (JSON.parse(text) as Failure); // written by written()
  } catch {
    return undefined; // anyone may write to a queue
  }
}

function brokersTimeIn({ properties }: Amqp.Message): number | undefined {
  const time: unknown = properties.headers?.['x-death']?.[0]?.time;
  const seconds = typeof time === 'object' && time !== null && 'value' in time ? time.value : undefined;
  return typeof seconds === 'number' ? seconds * 1000 : undefined;
}

function numberIn({ properties }: Amqp.Message, name: string): number | undefined {
  const value: unknown = properties.headers?.[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function textIn({ properties }: Amqp.Message, name: string): string | undefined {
  return asText(properties.headers?.[name]);
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
