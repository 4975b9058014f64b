import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CloudEvent } from '../../src/events/event.ts';
import { fromKafka, toKafka, wrapKafka, type KafkaMessage } from '../../src/events/kafka-binding.ts';
import { anEvent } from '../kit/events.ts';

/** As a broker hands it over: header values are bytes. */
function overTheWire({ key, value, headers }: KafkaMessage): KafkaMessage {
  const written = Object.entries(headers).map(([name, each]) => [
    name,
    typeof each === 'string' ? Buffer.from(each) : each,
  ]);
  return {
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value,
    headers: Object.fromEntries(written),
  };
}

const eventIn = (message: KafkaMessage): CloudEvent | undefined => {
  const read = fromKafka(message);
  return read.kind === 'event' ? read.event : undefined;
};

const BINARY = { ce_specversion: '1.0', ce_id: 'e-1', ce_source: '/shop', ce_type: 'order.paid' };

describe('Kafka binding, binary mode (3.2)', () => {
  it('writes attributes as ce_ headers, the content type as content-type, and the body as it is', () => {
    const event = { ...anEvent('e-1', { subject: 'Euro € 😀' }), body: Buffer.of(0, 255) };
    expect(toKafka(event)).toEqual({
      key: null,
      value: Buffer.of(0, 255),
      headers: { ...BINARY, ce_subject: 'Euro € 😀', 'content-type': 'application/json' }, // 3.2.3: UTF-8, not encoded
    });
  });

  it('gives the record the partitionkey for a key (3.1), and keeps it as an attribute', () => {
    const message = toKafka(anEvent('e-1', { partitionkey: 'order-7' }));
    expect(message.key).toBe('order-7');
    expect(eventIn(overTheWire(message))?.attributes.get('partitionkey')).toBe('order-7');
  });

  it('writes an event without data as an empty value, which deletes nothing in a compacted topic', () => {
    const message = toKafka({ ...anEvent(), body: new Uint8Array() });
    expect(message.value).toEqual(new Uint8Array());
    expect(eventIn(overTheWire({ ...message, value: null }))?.body).toEqual(new Uint8Array());
  });

  it('E1 E2 E3 reads what it has written: attributes, their order, bytes, and headers that travel', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((each) => !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(each));
    const name = fc.stringMatching(/^[a-z0-9]{1,20}$/).filter((each) => !RESERVED.has(each));
    fc.assert(
      fc.property(
        fc.dictionary(name, text, { maxKeys: 8, noNullPrototype: true }),
        fc.uint8Array(),
        fc.option(fc.constantFrom('application/json', 'text/plain; charset=utf-8'), { nil: undefined }),
        (extensions, body, contentType) => {
          const event = {
            ...anEvent('e-1', extensions),
            body,
            contentType,
            headers: new Map([['x-request-id', 'r']]),
          };
          const read = eventIn(overTheWire(toKafka(event)));
          expect(read).toEqual(event);
          expect([...(read?.attributes ?? [])]).toEqual([...event.attributes]);
        },
      ),
    );
  });

  it('drops headers that are neither attributes nor travel', () => {
    const event = eventIn({
      key: null,
      value: null,
      headers: { ...BINARY, trace: 'x', 'knative-arrival': 'now' },
    });
    expect(event?.headers).toEqual(new Map([['knative-arrival', 'now']]));
    expect(event?.attributes.size).toBe(4);
  });

  it.each([
    ['without an id', { ce_id: undefined }, /id: required/],
    ['with an unknown version', { ce_specversion: '2.0' }, /specversion: "2\.0"/],
    ['with an upper-case name', { ce_Shop: 'x' }, /"Shop"/],
    [
      'with an attribute given twice',
      { ce_type: [Buffer.from('a'), Buffer.from('b')] },
      /ce_type: given twice/,
    ],
    ['with bytes that are no UTF-8', { ce_subject: Buffer.of(0xff) }, /ce_subject/],
    ['with a control character', { ce_subject: 'a\nb' }, /subject/],
    ['with datacontenttype as an attribute', { ce_datacontenttype: 'text/plain' }, /datacontenttype/],
    ['with a content type that is none', { 'content-type': 'json' }, /content-type/],
    ['with data as an attribute', { ce_data: 'x' }, /data/],
  ])('takes a record %s for malformed', (_, headers, reason) => {
    const read = fromKafka({ key: null, value: Buffer.from('{}'), headers: { ...BINARY, ...headers } });
    expect(read).toEqual({ kind: 'malformed', reason: expect.stringMatching(reason) });
  });

  it('takes a record without any ce_ header for plain', () => {
    const headers = { 'content-type': 'application/json', foo: Buffer.of(0xff), empty: null };
    expect(fromKafka({ key: null, value: Buffer.from('{}'), headers })).toEqual({ kind: 'plain' });
    expect(fromKafka({ key: null, value: null, headers: {} })).toEqual({ kind: 'plain' });
  });
});

describe('Kafka binding, structured mode (3.3)', () => {
  it('reads what it has written, bytes of any type included', () => {
    for (const contentType of ['application/json', 'text/plain', 'image/png', undefined]) {
      const event = {
        ...anEvent('e-1', { partitionkey: 'k' }),
        contentType,
        headers: new Map([['x-request-id', 'r']]),
      };
      const body = contentType === 'image/png' ? Buffer.of(0, 255) : event.body;
      const message = overTheWire(toKafka({ ...event, body }, 'structured'));
      expect(message.key).toEqual(Buffer.from('k'));
      expect(String(message.headers['content-type'])).toBe('application/cloudevents+json; charset=utf-8');
      const read = eventIn(message);
      expect(read && { ...read, body: [...read.body] }).toEqual({ ...event, body: [...body] });
    }
  });

  it('goes by content-type, whatever ce_ headers say (3)', () => {
    const structured = toKafka(anEvent('inside'), 'structured');
    const read = eventIn({ ...structured, headers: { ...structured.headers, ce_id: 'outside' } });
    expect(read?.attributes.get('id')).toBe('inside');
  });

  it.each([
    ['a batch', 'application/cloudevents-batch+json', '[]'],
    ['another format', 'application/cloudevents+avro', 'x'],
    ['a text that is not JSON', 'application/cloudevents+json', '{'],
    ['an event that is none', 'application/cloudevents+json', '{"specversion":"1.0"}'],
  ])('takes %s for malformed', (_, type, text) => {
    const read = fromKafka({ key: null, value: Buffer.from(text), headers: { 'content-type': type } });
    expect(read.kind).toBe('malformed');
  });
});

describe('a record that is no CloudEvent', () => {
  const place = {
    source: '/apis/v1/namespaces/demo/kafkasources/orders#topic',
    partition: 3,
    offset: 42,
    timestampMs: Date.UTC(2026, 10, 24),
  };

  it('becomes what KafkaSource makes of it', () => {
    const headers = { 'X-Trace': 'abc', bytes: Buffer.of(0xff, 0), 'content-type': 'text/csv', none: null };
    const event = wrapKafka({ key: Buffer.from('k-1'), value: Buffer.of(0, 255), headers }, place);
    expect(Object.fromEntries(event.attributes)).toEqual({
      specversion: '1.0',
      id: 'partition:3/offset:42',
      source: place.source,
      type: 'dev.knative.kafka.event',
      subject: 'partition:3#42',
      time: '2026-11-24T00:00:00.000Z',
      key: 'k-1',
      kafkaheaderxtrace: 'abc',
      kafkaheaderbytes: '/wA=',
    });
    expect(event).toMatchObject({ contentType: 'text/csv', body: Buffer.of(0, 255) });
  });

  it('is a valid event whatever it holds', () => {
    const header = fc.oneof(
      fc.uint8Array(),
      fc.string({ unit: 'binary' }),
      fc.constant(null),
      fc.array(fc.uint8Array()),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), header),
        fc.option(fc.uint8Array()),
        (headers, key) => {
          const event = wrapKafka({ key, value: null, headers }, place);
          expect(fromKafka(overTheWire(toKafka(event)))).toEqual({ kind: 'event', event });
        },
      ),
    );
    const huge = { key: null, value: null, headers: { a: 'x'.repeat(70_000), b: 'kept' } };
    expect(wrapKafka(huge, place).attributes.get('kafkaheaderb')).toBe('kept');
    expect(wrapKafka(huge, place).attributes.has('kafkaheadera')).toBe(false);
  });
});

const RESERVED = new Set([
  'data',
  'datacontenttype',
  'time',
  'dataschema',
  'schemaurl',
  'subject',
  'partitionkey',
  'specversion',
  'id',
  'source',
  'type',
]);
