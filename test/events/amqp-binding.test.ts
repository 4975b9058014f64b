import { describe, expect, it } from 'vitest';
import { fromAmqp, toAmqp, wrapAmqp, type AmqpMessage } from '../../src/events/amqp-binding.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { anEvent } from '../kit/events.ts';

const REQUIRED = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'order.paid' };

function message(headers: Record<string, unknown>, more: Partial<AmqpMessage> = {}): AmqpMessage {
  return { contentType: 'text/plain', messageId: undefined, headers, body: Buffer.from('paid'), ...more };
}

function prefixed(prefix: string, attributes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [prefix + name, value]));
}

function read(from: AmqpMessage): CloudEvent {
  const result = fromAmqp(from);
  if (result.kind !== 'event') throw new Error(JSON.stringify(result));
  return result.event;
}

describe('the AMQP binding, binary content mode', () => {
  it('3.1.1, 3.1.3 writes the content type as property and each attribute as `cloudEvents:` header', () => {
    const event = anEvent('e-1', { partitionkey: 'a' });
    const { contentType, headers, body, messageId } = toAmqp(event);
    expect({ contentType, messageId }).toEqual({ contentType: 'application/json', messageId: 'e-1' });
    expect(headers).toEqual(prefixed('cloudEvents:', { ...REQUIRED, partitionkey: 'a' }));
    expect(body).toBe(event.body);
  });

  it('3.1.2 hands bytes on as they are, and what was absent stays absent', () => {
    const body = Uint8Array.of(0, 255, 128, 10);
    const event = { attributes: new Map(Object.entries(REQUIRED)), contentType: undefined, body };
    expect(read(toAmqp(event))).toEqual(event);
  });

  it('3.1.3.2 leaves values as UTF-8, without any encoding', () => {
    const event = anEvent('é 😀', { subject: '100 % "€"' });
    expect(toAmqp(event).headers['cloudEvents:subject']).toBe('100 % "€"');
    expect(read(toAmqp(event))).toEqual(event);
  });

  it.each(['cloudEvents:', 'cloudEvents_', 'ce-', ''])(
    '3.1.3.1 reads attributes that are prefixed with %j',
    (prefix) => {
      const headers = { ...prefixed(prefix, { ...REQUIRED, tenant: 'a' }), 'x-death': [], 'x-anything': 1 };
      expect(read(message(headers))).toEqual({
        attributes: new Map(Object.entries({ ...REQUIRED, tenant: 'a' })),
        contentType: 'text/plain',
        body: Buffer.from('paid'),
      });
    },
  );

  it('3.1.3.2 reads native values in their canonical string form', () => {
    const native = {
      flag: true,
      count: -7,
      big: 12345678901234567890n,
      blob: Buffer.from([1, 2]),
      time: { value: 0 },
    };
    const { attributes } = read(message(prefixed('cloudEvents:', { ...REQUIRED, ...native })));
    expect(Object.fromEntries(attributes)).toMatchObject({
      flag: 'true',
      count: '-7',
      big: '12345678901234567890',
      blob: 'AQI=',
      time: '1970-01-01T00:00:00.000Z',
    });
  });

  it('keeps travelling headers, where no attribute can be meant, and only those', () => {
    const headers = new Map([
      ['x-request-id', 'r-1'],
      ['knative-trace', 'é'.normalize('NFC')],
    ]);
    const written = toAmqp({ ...anEvent(), headers });
    expect(Object.keys(written.headers).filter((name) => !name.startsWith('cloudEvents:'))).toEqual([
      'x-http-x-request-id',
      'x-http-knative-trace',
    ]);
    expect(read(written).headers).toEqual(headers);
    const hostile = { 'x-http-authorization': 'secret', 'x-http-x-request-id': 'a\r\nb: c' };
    expect(read(message({ ...prefixed('ce-', REQUIRED), ...hostile })).headers).toBeUndefined();
  });

  it.each([
    ['a missing attribute', { id: undefined }, /id: required/],
    ['a version that is not known', { specversion: '2.0' }, /specversion/],
    ['a name that is none', { 'Not-ok': 'x' }, /Not-ok/],
    ['a value that is none', { list: ['a'] }, /list: is no value/],
    ['a time that is none', { time: 'yesterday' }, /time/],
  ])('says why %s makes no event', (_, change, reason) => {
    const headers = prefixed('cloudEvents:', { ...REQUIRED, ...change });
    if ('id' in change) delete headers['cloudEvents:id'];
    expect(fromAmqp(message(headers))).toMatchObject({
      kind: 'malformed',
      reason: expect.stringMatching(reason),
    });
  });

  it('3 takes a message without attributes for none', () => {
    expect(fromAmqp(message({ id: 'x', type: 'y', 'x-source': 'z' }))).toEqual({ kind: 'plain' });
  });
});

describe('the AMQP binding, for Knative', () => {
  it('writes what its RabbitmqSource reads: `ce-` attributes, the content type as a header, all else behind `x-`', () => {
    const event = { ...anEvent(), headers: new Map([['x-request-id', 'r-1']]) };
    const written = toAmqp(event, 'ce-');
    expect(written.headers).toEqual({
      ...prefixed('ce-', REQUIRED),
      'content-type': 'application/json',
      'x-http-x-request-id': 'r-1',
    });
    expect(read(written)).toEqual(event);
  });

  it('reads what its broker writes: bare names, the content type as a header', () => {
    const headers = {
      ...REQUIRED,
      'content-type': 'application/json',
      traceparent: '00-1-2-00',
      tracestate: '',
    };
    const event = read(message(headers, { contentType: undefined }));
    expect(event).toMatchObject({
      contentType: 'application/json',
      attributes: new Map(Object.entries(REQUIRED)),
    });
  });

  it('wraps what is no event as its source does', () => {
    const from = { namespace: 'demo', name: 'orders', queue: 'a:b' };
    const plain = message({}, { messageId: 'm-1' });
    const wrapped = wrapAmqp(plain, from, { id: 'made', timestampMs: 1000 });
    expect(wrapped).toEqual({
      attributes: new Map(
        Object.entries({
          specversion: '1.0',
          id: 'm-1',
          source: '/apis/v1/namespaces/demo/rabbitmqsources/orders#a%3Ab',
          type: 'dev.knative.rabbitmq.event',
          subject: 'm-1',
          time: '1970-01-01T00:00:01.000Z',
        }),
      ),
      contentType: 'text/plain',
      body: plain.body,
    });
    expect(read(toAmqp(wrapped))).toEqual(wrapped);
    const made = wrapAmqp(message({}, { contentType: 'no type' }), from, {
      id: 'made',
      timestampMs: undefined,
    });
    expect(made.contentType).toBeUndefined();
    expect(made.attributes.get('id')).toBe('made');
    expect(made.attributes.has('time')).toBe(false);
  });
});

describe('the AMQP binding, structured content mode', () => {
  it('3.2 reads the JSON event format, the bytes of data as they stand', () => {
    const body = Buffer.from(
      JSON.stringify({ ...REQUIRED, datacontenttype: 'application/json' }).replace(
        /}$/,
        ',"data":{"n":1.10}}',
      ),
    );
    const event = read(message({}, { contentType: 'application/cloudevents+json; charset=UTF-8', body }));
    expect(event.attributes).toEqual(new Map(Object.entries(REQUIRED)));
    expect(Buffer.from(event.body).toString()).toBe('{"n":1.10}');
  });

  it('3 does not read another event format, nor a batch', () => {
    for (const contentType of ['application/cloudevents+avro', 'application/cloudevents-batch+json'])
      expect(fromAmqp(message({}, { contentType }))).toMatchObject({ kind: 'malformed' });
  });

  it.each([
    [
      'attributes that a header table has no room for',
      { attributes: new Map([...anEvent().attributes, ['big', 'x'.repeat(50_000)]]) },
    ],
    [
      'a name that is no short string',
      { attributes: new Map([...anEvent().attributes, ['n'.repeat(250), 'x']]) },
    ],
    ['a content type that is no short string', { contentType: `text/plain; a=${'x'.repeat(300)}` }],
  ])('writes %s in the body', (_, change) => {
    const event: CloudEvent = { ...anEvent(), headers: new Map([['x-request-id', 'r-1']]), ...change };
    const written = toAmqp(event);
    expect(written.contentType).toBe('application/cloudevents+json; charset=utf-8');
    expect(read(written)).toEqual({ ...event, body: Buffer.from(event.body) });
  });
});
