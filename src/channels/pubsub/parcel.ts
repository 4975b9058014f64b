import { decodeHead, encodeHead } from '../../events/head.ts';
import type { PubsubMessage, TakenMessage } from '../../events/pubsub-binding.ts';
import type { Failure, Stage } from '../channel.ts';

/** A message as it came to the channel's topic, and how far its event has come for a group. */
export type Parcel = {
  readonly original: TakenMessage;
  readonly stage: Stage;
  /** Of the next offer, within the stage. */
  readonly attempt: number;
  /** Not to be offered sooner; since the epoch. */
  readonly dueMs: number;
};

/** How far an event has come, without the event: kept beside a message that holds its key. */
export type Note = Omit<Parcel, 'original'> & { readonly of: string };

/** Attributes of ours; what is not, is the message as it came. */
export const OURS = 'millrace-';
const VALUE_BYTES_MAX = 1024;
const ATTRIBUTES_MAX = 100;
/** All that is noted beside a message, at most: a dozen attributes. */
export const NOTED_BYTES_MAX = 8 * 1024;

/** The message by which a parcel is kept in a topic of ours: the original's, with notes; or an envelope of both. */
export function packParcel({ original, stage, attempt, dueMs }: Parcel): PubsubMessage {
  const noted = {
    ...progress(stage, attempt, dueMs),
    [`${OURS}id`]: original.messageId,
    [`${OURS}published`]: String(original.publishedMs),
    ...(original.orderingKey !== '' && { [`${OURS}key`]: original.orderingKey }),
  };
  const plain = withoutOurs(original.attributes);
  const isEnvelope =
    stage.kind === 'reply' || Object.keys(plain).length + Object.keys(noted).length >= ATTRIBUTES_MAX;
  if (!isEnvelope) return { attributes: { ...plain, ...noted }, data: original.data };
  const head = Buffer.from(JSON.stringify(plain));
  const parts = [sized(head), sized(original.data), ...(stage.kind === 'reply' ? replyParts(stage) : [])];
  return { attributes: { ...noted, [`${OURS}form`]: 'envelope' }, data: Buffer.concat(parts.flat()) };
}

/** Reads what packParcel() made; undefined for a message that somebody else has put there. */
export function unpackParcel(message: TakenMessage): Parcel | undefined {
  const { attributes } = message;
  const messageId = attributes[`${OURS}id`];
  if (messageId === undefined) return undefined;
  const publishedMs = Number(attributes[`${OURS}published`]);
  const orderingKey = attributes[`${OURS}key`] ?? '';
  const as = (plain: PubsubMessage): TakenMessage => ({ ...plain, messageId, publishedMs, orderingKey });
  const read = { attempt: Number(attributes[`${OURS}attempt`]), dueMs: Number(attributes[`${OURS}due`]) };
  if (attributes[`${OURS}form`] !== 'envelope') {
    const original = as({ attributes: withoutOurs(attributes), data: message.data });
    return { ...read, original, stage: stageIn(attributes, []) };
  }
  const [head = EMPTY, data = EMPTY, ...reply] = partsOf(message.data);
  const plain = JSON.parse(head.toString()) as Record<string, string>; // written by packParcel()
  return { ...read, original: as({ attributes: plain, data }), stage: stageIn(attributes, reply) };
}

export function packNote({ of, stage, attempt, dueMs }: Note): PubsubMessage {
  const attributes = { ...progress(stage, attempt, dueMs), [`${OURS}of`]: of };
  return { attributes, data: stage.kind === 'reply' ? Buffer.concat(replyParts(stage).flat()) : EMPTY };
}

export function unpackNote({ attributes, data }: PubsubMessage): Note | undefined {
  const of = attributes[`${OURS}of`];
  if (of === undefined) return undefined;
  return {
    of,
    stage: stageIn(attributes, partsOf(data)),
    attempt: Number(attributes[`${OURS}attempt`]),
    dueMs: Number(attributes[`${OURS}due`]),
  };
}

/** `dest`, `data` and `reason` are cut to what a value may hold. */
export function failureAttributes({ dest, code, data, reason }: Failure): Record<string, string> {
  return {
    [`${OURS}dest`]: cut(dest),
    [`${OURS}code`]: String(code),
    [`${OURS}data`]: cut(data),
    [`${OURS}reason`]: cut(reason),
  };
}

export function failureIn(attributes: PubsubMessage['attributes']): Failure {
  const read = (name: string): string => attributes[OURS + name] ?? '';
  return { dest: read('dest'), code: Number(read('code')), data: read('data'), reason: read('reason') };
}

const EMPTY = Buffer.alloc(0);

function progress(stage: Stage, attempt: number, dueMs: number): Record<string, string> {
  return {
    [`${OURS}stage`]: stage.kind,
    [`${OURS}attempt`]: String(attempt),
    [`${OURS}due`]: String(dueMs),
    ...(stage.kind === 'deadLetter' && failureAttributes(stage.failure)),
  };
}

function stageIn(attributes: PubsubMessage['attributes'], [head, body = EMPTY]: readonly Buffer[]): Stage {
  const kind = attributes[`${OURS}stage`];
  if (kind === 'deadLetter') return { kind, failure: failureIn(attributes) };
  return kind === 'reply' && head !== undefined
    ? { kind, reply: { ...decodeHead(head), body } }
    : { kind: 'deliver' };
}

function replyParts({ reply }: Extract<Stage, { kind: 'reply' }>): Uint8Array[][] {
  return [sized(encodeHead(reply)), sized(reply.body)];
}

/** Its length before it, in four bytes. */
function sized(bytes: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return [length, bytes];
}

function partsOf(data: Uint8Array): Buffer[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const parts: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at);
    parts.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

function withoutOurs(attributes: PubsubMessage['attributes']): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !name.startsWith(OURS)));
}

/** At most 1 024 bytes of UTF-8, and no half character. */
function cut(value: string): string {
  if (Buffer.byteLength(value) <= VALUE_BYTES_MAX) return value;
  return Buffer.from(value)
    .subarray(0, VALUE_BYTES_MAX)
    .toString()
    .replace(/\u{fffd}+$/u, '');
}
