import { describe, expect, it } from 'vitest';
import type { KeyType } from '../../../src/apis/sources/kafka-source/schema.ts';
import { toKafka, type KafkaMessage } from '../../../src/events/kafka-binding.ts';
import { eventOf, kafkaSourceUri, keyText } from '../../../src/sources/kafka/event.ts';
import { anEvent } from '../../kit/events.ts';

const PLACE = {
  source: kafkaSourceUri('demo', 'orders', 'incoming'),
  partition: 2,
  offset: 41,
  timestampMs: Date.UTC(2026, 10, 24, 12, 0, 0),
};
const message = (more: Partial<KafkaMessage> = {}): KafkaMessage => ({
  key: null,
  value: Buffer.from('{"a":1}'),
  headers: {},
  ...more,
});
const attributesOf = (given: KafkaMessage, keyType: KeyType = 'string'): Record<string, string> =>
  Object.fromEntries(eventOf(given, PLACE, keyType).attributes);

function bytes(write: (buffer: Buffer) => void, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer;
}
const float = (value: number): Buffer => bytes((buffer) => buffer.writeFloatBE(value), 4);
const double = (value: number): Buffer => bytes((buffer) => buffer.writeDoubleBE(value), 8);

describe('a record that becomes an event', () => {
  it('is wrapped as upstream does, its place in the topic its name', () => {
    const event = eventOf(message(), PLACE, 'string');
    expect(Object.fromEntries(event.attributes)).toEqual({
      specversion: '1.0',
      id: 'partition:2/offset:41',
      source: '/apis/v1/namespaces/demo/kafkasources/orders#incoming',
      type: 'dev.knative.kafka.event',
      subject: 'partition:2#41',
      time: '2026-11-24T12:00:00.000Z',
    });
    expect(Buffer.from(event.body).toString()).toBe('{"a":1}');
  });

  it('keeps its key and its headers as extensions', () => {
    const given = message({ key: Buffer.from('customer-7'), headers: { 'X-Trace_Id': Buffer.from('t1') } });
    expect(attributesOf(given)).toMatchObject({
      key: 'customer-7',
      partitionkey: 'customer-7',
      kafkaheaderxtraceid: 't1',
    });
  });

  it.each([['binary'], ['structured']] as const)('passes through when it is a %s CloudEvent', (mode) => {
    const event = anEvent('e-1', { partitionkey: 'k' });
    const read = eventOf(toKafka(event, mode), PLACE, 'int');
    expect(Object.fromEntries(read.attributes)).toEqual(Object.fromEntries(event.attributes));
    expect(Buffer.from(read.body)).toEqual(Buffer.from(event.body));
  });

  it.each([
    ['a structured CloudEvent cut short', { 'content-type': Buffer.from('application/cloudevents+json') }],
    ['a CloudEvent without a type', { ce_specversion: Buffer.from('1.0'), ce_id: Buffer.from('1') }],
  ])('is wrapped, not lost, when it is %s', (_, headers) => {
    const given = message({ value: Buffer.from('{"specversion":"1.0"'), headers });
    expect(attributesOf(given)).toMatchObject({ type: 'dev.knative.kafka.event' });
  });

  it('without a value is an event without a body', () => {
    expect(eventOf(message({ value: null }), PLACE, 'string').body).toHaveLength(0);
  });

  it.each<[KeyType, string, Buffer, string]>([
    ['string', 'text', Buffer.from('ü'), 'ü'],
    ['string', 'bytes that are no text', Buffer.of(0xff, 0), '/wA='],
    ['byte-array', 'text', Buffer.from('abc'), 'YWJj'],
    ['int', '4 bytes', Buffer.of(0xff, 0xff, 0xff, 0xfe), '-2'],
    ['int', 'another length', Buffer.from('12345'), '12345'],
    ['float', '4 bytes', float(0.1), '0.1'],
    ['float', '4 bytes that are a whole number', float(3), '3.0'],
    ['float', '4 bytes that are large', float(1.5e10), '1.5E10'],
    ['float', '4 bytes that are small', float(0.00025), '2.5E-4'],
    ['float', '4 bytes that are no number', float(Number.NaN), 'NaN'],
    ['float', '8 bytes', double(-0.1), '-0.1'],
    ['float', '8 bytes that are large', double(1e7), '1.0E7'],
    ['float', '8 bytes that are nothing, below it', double(-0), '-0.0'],
    ['float', 'another length', Buffer.from('abc'), 'abc'],
  ])('takes a key of type %s, %s, as its type says', (keyType, _, key, expected) => {
    expect(attributesOf(message({ key }), keyType)['key']).toBe(expected);
  });

  it('leaves a key alone that is text already, or none', () => {
    expect(keyText('plain', 'int')).toBe('plain');
    expect(keyText(null, 'float')).toBe(null);
    expect(attributesOf(message())).not.toHaveProperty('partitionkey');
  });
});
