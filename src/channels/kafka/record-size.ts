import type { KafkaHeader, KafkaMessage } from '../../events/kafka-binding.ts';

/** A batch's own header; each record adds its size to it (Kafka's message format 2). */
export const BATCH_OVERHEAD = 61;

/** Bytes of a record in a batch, at most two more than they are: places within a batch take one to three bytes. */
export function recordBytes({ key, value, headers }: KafkaMessage): number {
  let body = 1 + 3 + 3 + sized(lengthOf(key)) + sized(lengthOf(value));
  let count = 0;
  for (const name in headers) {
    const header = headers[name];
    const values: readonly (KafkaHeader | undefined)[] = isList(header) ? header : [header];
    for (const each of values) {
      body += sized(Buffer.byteLength(name)) + sized(lengthOf(each ?? null));
      count += 1;
    }
  }
  body += varint(count);
  return varint(body) + body;
}

function lengthOf(bytes: KafkaHeader): number {
  if (bytes === null) return 0;
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength;
}

const sized = (length: number): number => varint(length) + length;

/** Lengths are written zigzag, so a bit is lost to the sign. */
function varint(value: number): number {
  let size = 1;
  for (let left = value * 2; left >= 0x80; left = Math.floor(left / 0x80)) size += 1;
  return size;
}

function isList(header: KafkaMessage['headers'][string]): header is readonly KafkaHeader[] {
  return Array.isArray(header);
}
