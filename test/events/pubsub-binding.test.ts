import { describe, expect, it } from 'vitest';
import type { CloudEvent } from '../../src/events/event.ts';
import { fromPubsub, toPubsub, wrapPubsub } from '../../src/events/pubsub-binding.ts';
import { anEvent } from '../kit/events.ts';

const REQUIRED = { 'ce-specversion': '1.0', 'ce-id': 'e-1', 'ce-source': '/shop', 'ce-type': 'order.paid' };
const EMPTY = new Uint8Array();

function eventIn(attributes: Record<string, string>, data: Uint8Array = EMPTY): CloudEvent {
  const read = fromPubsub({ attributes, data });
  if (read.kind !== 'event') throw new Error(JSON.stringify(read));
  return read.event;
}

// Clauses of google-cloudevents docs/spec/pubsub.md.
describe('Pub/Sub protocol binding', () => {
  it('3.1 writes attributes as they are, without percent-encoding, and the very bytes of the data', () => {
    const event = { ...anEvent('e-1', { subject: 'Euro € 😀 %20' }), body: Uint8Array.of(0, 255, 10) };
    const { attributes, data } = toPubsub(event);
    expect(attributes).toEqual({
      ...REQUIRED,
      'ce-subject': 'Euro € 😀 %20',
      'Content-Type': 'application/json',
    });
    expect(data).toBe(event.body);
  });

  it('3.1.1 maps the content type in any case, and nothing to nothing', () => {
    for (const name of ['Content-Type', 'content-type', 'CONTENT-TYPE'])
      expect(eventIn({ ...REQUIRED, [name]: 'text/plain' }).contentType).toBe('text/plain');
    expect(eventIn(REQUIRED).contentType).toBeUndefined();
    expect(toPubsub({ ...anEvent(), contentType: undefined }).attributes).not.toHaveProperty('Content-Type');
  });

  it('3.1.4 takes ce-datacontenttype, as the examples of the binding write it', () => {
    expect(eventIn({ ...REQUIRED, 'ce-datacontenttype': 'text/csv' }).contentType).toBe('text/csv');
  });

  it('3.1.2 hands on the very data that came, and 3.1.3 every attribute', () => {
    const data = Uint8Array.of(0, 255, 128, 10);
    const event = eventIn({ ...REQUIRED, 'ce-comexampleextension': 'x y', other: 'ignored' }, data);
    expect(event.body).toBe(data);
    expect(event.attributes.get('comexampleextension')).toBe('x y');
    expect(event.attributes.size).toBe(5);
  });

  it('3 reads the structured mode by the prefix of its content type, and keeps the bytes of its data', () => {
    const text =
      '{"specversion":"1.0","id":"e-1","source":"/shop","type":"t","data":{"n":12345678901234567890}}';
    const event = eventIn(
      { 'content-type': 'application/cloudevents+json; charset=UTF-8', 'ce-id': 'not this one' },
      Buffer.from(text),
    );
    expect(event.attributes.get('id')).toBe('e-1');
    expect(Buffer.from(event.body).toString()).toBe('{"n":12345678901234567890}');
  });

  it('3.1 falls back to the structured mode where a value or their number is beyond the limits of a message', () => {
    const long = {
      ...anEvent('e-1', { subject: 'x'.repeat(1025) }),
      headers: new Map([['x-request-id', 'r']]),
    };
    const many = anEvent('e-1', Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`x${i}`, 'v'])));
    for (const event of [long, many]) {
      const { attributes, data } = toPubsub(event);
      expect(attributes).toMatchObject({ 'Content-Type': 'application/cloudevents+json; charset=utf-8' });
      const read = eventIn(attributes as Record<string, string>, data);
      expect([...read.attributes]).toEqual([...event.attributes]);
      expect(Buffer.from(read.body)).toEqual(Buffer.from(event.body));
      expect(read.headers).toEqual(event.headers);
    }
    const short = toPubsub(anEvent('e-1', { subject: '€'.repeat(341) })); // 1 023 bytes
    expect(short.attributes).toHaveProperty('ce-subject');
  });

  it('carries the headers that travel along under their own names', () => {
    const headers = new Map([
      ['x-request-id', 'r-1'],
      ['knative-error-dest', 'http://x'],
    ]);
    const { attributes, data } = toPubsub({ ...anEvent(), headers });
    expect(attributes).toMatchObject({ 'x-request-id': 'r-1' });
    expect(eventIn(attributes as Record<string, string>, data).headers).toEqual(headers);
  });

  it.each([
    [
      'a batch, which the binding has not (1.3)',
      { 'Content-Type': 'application/cloudevents-batch+json' },
      '[]',
    ],
    ['another event format', { 'Content-Type': 'application/cloudevents+avro' }, ''],
    ['no id', { 'ce-specversion': '1.0', 'ce-source': '/shop', 'ce-type': 't' }, ''],
    ['a name in two cases', { ...REQUIRED, 'CE-ID': 'e-2' }, ''],
    ['a name with a dash', { ...REQUIRED, 'ce-my-name': 'x' }, ''],
    ['a control character', { ...REQUIRED, 'ce-subject': 'a\u0001' }, ''],
    ['no media type', { ...REQUIRED, 'Content-Type': 'json' }, ''],
    ['structured text that is no JSON', { 'Content-Type': 'application/cloudevents+json' }, '{'],
  ])('refuses %s with a reason', (_, attributes, data) => {
    const read = fromPubsub({ attributes: attributes as Record<string, string>, data: Buffer.from(data) });
    expect(read).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(/\w/) });
  });

  it('says plain of what does not speak of an event', () => {
    expect(fromPubsub({ attributes: { 'Content-Type': 'text/plain', tenant: 'a' }, data: EMPTY })).toEqual({
      kind: 'plain',
    });
  });

  it('wraps any other message as CloudPubSubSource does', () => {
    const message = {
      attributes: { tenant: 'a' },
      data: Uint8Array.of(0, 255),
      messageId: '136969346945',
      publishedMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      orderingKey: 'k',
    };
    const event = wrapPubsub(message, {
      topic: 'projects/p/topics/t',
      subscription: 'projects/p/subscriptions/s',
    });
    expect(Object.fromEntries(event.attributes)).toEqual({
      specversion: '1.0',
      id: '136969346945',
      source: '//pubsub.googleapis.com/projects/p/topics/t',
      type: 'google.cloud.pubsub.topic.v1.messagePublished',
      time: '2026-01-02T03:04:05.678Z',
      dataschema: expect.stringContaining('google/events/cloud/pubsub/v1/data.proto'),
      partitionkey: 'k',
    });
    expect(event.contentType).toBe('application/json');
    expect(JSON.parse(Buffer.from(event.body).toString())).toEqual({
      subscription: 'projects/p/subscriptions/s',
      message: {
        messageId: '136969346945',
        data: 'AP8=',
        attributes: { tenant: 'a' },
        publishTime: '2026-01-02T03:04:05.678Z',
        orderingKey: 'k',
      },
    });
  });
});
