import type { KeyType } from '../../apis/sources/kafka-source/schema.ts';
import type { CloudEvent } from '../../events/event.ts';
import { fromKafka, wrapKafka, type KafkaMessage } from '../../events/kafka-binding.ts';

export const KAFKA_TYPE = 'dev.knative.kafka.event';

/** As upstream's (eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_types.go). */
export function kafkaSourceUri(namespace: string, name: string, topic: string): string {
  return `/apis/v1/namespaces/${namespace}/kafkasources/${name}#${topic}`;
}

export type RecordPlace = {
  readonly source: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
};

/** A record that is a CloudEvent is that; any other one, also one that only begins like one, is wrapped as it is. */
export function eventOf(message: KafkaMessage, place: RecordPlace, keyType: KeyType): CloudEvent {
  const read = fromKafka(message);
  if (read.kind === 'event') return withOwnBody(read.event);
  const wrapped = wrapKafka({ ...message, key: keyText(message.key, keyType) }, place);
  const key = wrapped.attributes.get('key');
  if (key === undefined) return withOwnBody(wrapped);
  // Upstream's too (InvalidCloudEventInterceptor): what has one key stays in order behind an ordered channel.
  return withOwnBody({ ...wrapped, attributes: new Map([...wrapped.attributes, ['partitionkey', key]]) });
}

/** Small bodies are views of a whole answer, which would stay in memory with them. */
function withOwnBody(event: CloudEvent): CloudEvent {
  return { ...event, body: Buffer.from(event.body) };
}

/**
 * A key as its type has it (eventing-kafka-broker KeyDeserializer.java): big-endian numbers of 4 bytes, a float also of 8;
 * bytes of another length are a string. As upstream's numbers they are written as Java does.
 */
export function keyText(key: KafkaMessage['key'], keyType: KeyType): KafkaMessage['key'] {
  if (key === null || typeof key === 'string') return key;
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  switch (keyType) {
    case 'byte-array':
      return bytes.toString('base64');
    case 'int':
      return bytes.length === 4 ? String(bytes.readInt32BE()) : bytes;
    case 'float':
      if (bytes.length === 4) return javaNumber(bytes.readFloatBE(), shortestFloat);
      return bytes.length === 8 ? javaNumber(bytes.readDoubleBE(), String) : bytes;
    case 'string':
      return bytes;
  }
}

/** The fewest digits that stand for a number of 4 bytes. */
function shortestFloat(value: number): string {
  for (let digits = 1; digits < 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** Java's Float.toString and Double.toString: always with a point, with an exponent from 10^7 on and below 10^-3. */
function javaNumber(value: number, shortest: (value: number) => string): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (size === 0) return `${sign}0.0`;
  if (size >= 1e-3 && size < 1e7) return sign + withPoint(shortest(size));
  const [mantissa = '', exponent = ''] = Number(shortest(size)).toExponential().split('e');
  return `${sign}${withPoint(mantissa)}E${Number(exponent)}`;
}

const withPoint = (digits: string): string => (digits.includes('.') ? digits : `${digits}.0`);
