import { unreachable } from '../../base/errors.ts';
import { decodeHead, encodeHead } from '../../events/head.ts';
import type { Failure, Stage } from '../channel.ts';

/** `bury`: given up, but the dead-letter store had no room; only the log knows this stage, nobody is offered it. */
export type StoredStage = Stage | { readonly kind: 'bury'; readonly failure: Failure };

const REPLY = 0x52; // R
const DEAD_LETTER = 0x44; // D
const BURY = 0x42; // B

/** A stage as stored beside what is owed; null is the first stage, delivery itself. */
export function encodeStage(stage: StoredStage): Uint8Array | null {
  switch (stage.kind) {
    case 'deliver':
      return null;
    case 'reply': {
      const head = encodeHead(stage.reply);
      const prefix = Buffer.alloc(5);
      prefix[0] = REPLY;
      prefix.writeUInt32LE(head.length, 1);
      return Buffer.concat([prefix, head, stage.reply.body]);
    }
    case 'deadLetter':
      return encodeFailure(DEAD_LETTER, stage.failure);
    case 'bury':
      return encodeFailure(BURY, stage.failure);
    default:
      return unreachable(stage);
  }
}

/** Reads what encodeStage wrote; throws on anything else, which means that the store is damaged. */
export function decodeStage(bytes: Uint8Array | null): StoredStage {
  if (bytes === null) return { kind: 'deliver' };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer[0] === DEAD_LETTER) return { kind: 'deadLetter', failure: decodeFailure(buffer) };
  if (buffer[0] === BURY) return { kind: 'bury', failure: decodeFailure(buffer) };
  if (buffer[0] !== REPLY) throw new Error(`a stage of kind ${buffer[0]} is not known`);
  const headEnd = 5 + buffer.readUInt32LE(1);
  return {
    kind: 'reply',
    reply: { ...decodeHead(buffer.subarray(5, headEnd)), body: buffer.subarray(headEnd) },
  };
}

function encodeFailure(kind: number, failure: Failure): Uint8Array {
  return Buffer.concat([Buffer.of(kind), Buffer.from(JSON.stringify(failure))]);
}

function decodeFailure(buffer: Buffer): Failure {
  return JSON.parse(buffer.toString('utf8', 1)) as Failure; // written by encodeFailure
}
