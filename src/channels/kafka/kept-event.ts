import { decodeHead, encodeHead } from '../../events/head.ts';
import { fromKafka, toKafka, type KafkaMessage } from '../../events/kafka-binding.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Failure, Stage } from '../channel.ts';

/** `bury`: given up, but the dead-letter topic had no room; nobody is offered it. */
export type KeptStage = Stage | { readonly kind: 'bury'; readonly failure: Failure };

/** What is known of an event beside itself, wherever it waits. */
export type Kept = {
  readonly seq: number;
  readonly acceptedMs: number;
  /** Attempts that have ended, within the stage. */
  readonly attempts: number;
  readonly dueMs: number;
  readonly stage: KeptStage;
};

export type DeadNote = {
  readonly seq: number;
  /** What the group is called in the broker. */
  readonly group: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly failure: Failure;
};

/** Headers of our own topics. Beside them the record is the CloudEvent that it was, for whoever looks at it. */
const NOTE = 'millrace-note';
const REPLY_HEAD = 'millrace-reply-head';
const REPLY_BODY = 'millrace-reply-body';
const DEAD = 'millrace-dead';

/** An event with its notes, as the retry topic and the stages topic keep it. */
export function keep(event: CloudEvent, { stage, ...rest }: Kept): KafkaMessage {
  const message = toKafka(event);
  if (stage.kind !== 'reply') return withHeaders(message, { [NOTE]: JSON.stringify({ ...rest, stage }) });
  return withHeaders(message, {
    [NOTE]: JSON.stringify({ ...rest, stage: { kind: 'reply' } }),
    [REPLY_HEAD]: encodeHead(stage.reply),
    [REPLY_BODY]: stage.reply.body,
  });
}

/** Reads what keep() wrote; undefined when it is somebody else's. */
export function keptIn(
  message: KafkaMessage,
): { readonly event: CloudEvent; readonly kept: Kept } | undefined {
  const note = message.headers[NOTE];
  const read = fromKafka(message);
  if (!(note instanceof Uint8Array) || read.kind !== 'event') return undefined;
  const kept = JSON.parse(textOf(note)) as Kept; // written by keep()
  if (kept.stage.kind !== 'reply') return { event: read.event, kept };
  const [head, body] = [message.headers[REPLY_HEAD], message.headers[REPLY_BODY]];
  if (!(head instanceof Uint8Array) || !(body instanceof Uint8Array)) return undefined;
  const reply = { ...decodeHead(head), body: Uint8Array.from(body) };
  return { event: read.event, kept: { ...kept, stage: { kind: 'reply', reply } } };
}

export function bury(event: CloudEvent, note: DeadNote): KafkaMessage {
  return withHeaders(toKafka(event), { [DEAD]: JSON.stringify(note) });
}

export function buriedIn(
  message: KafkaMessage,
): { readonly event: CloudEvent; readonly note: DeadNote } | undefined {
  const note = message.headers[DEAD];
  const read = fromKafka(message);
  if (!(note instanceof Uint8Array) || read.kind !== 'event') return undefined;
  return { event: read.event, note: JSON.parse(textOf(note)) as DeadNote }; // written by bury()
}

function withHeaders(message: KafkaMessage, headers: KafkaMessage['headers']): KafkaMessage {
  return { ...message, headers: { ...message.headers, ...headers } };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
