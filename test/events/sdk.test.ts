import { describe, expect, it } from 'vitest';
import { writeBinary } from '../../src/events/binary.ts';
import { readMessage } from '../../src/events/message.ts';
import { SdkEvent, SdkHttp } from '../../src/events/sdk.ts';
import { STRUCTURED_TYPE, writeStructured } from '../../src/events/structured.ts';
import { anEvent } from '../kit/events.ts';

/**
 * Cross-checks with the CloudEvents SDK, in what it does right. Its defects (no percent-encoding, numbers rounded, ids
 * made up) are the reason for a codec of our own, and are not checked here.
 */
const EVENTS: readonly (readonly [what: string, event: SdkEvent<unknown>])[] = [
  ['JSON', new SdkEvent({ id: '1', source: '/s', type: 't', data: { a: [1, 'x', null] } })],
  ['text', new SdkEvent({ id: '1', source: '/s', type: 't', datacontenttype: 'text/plain', data: 'häh €' })],
  ['no data', new SdkEvent({ id: '1', source: 'urn:x:y', type: 't', subject: 'sub' })],
  ['extensions', new SdkEvent({ id: '1', source: '/s', type: 't', partitionkey: 'k', sequence: '7' })],
  [
    'dataschema',
    new SdkEvent({ id: '1', source: '/s', type: 't', dataschema: 'https://x.example/s', data: {} }),
  ],
];

const flat = (headers: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);

const object = (headers: readonly string[]): Record<string, string> =>
  Object.fromEntries(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : [])));

describe.each(EVENTS)('what the SDK writes: %s', (_, event) => {
  const attributes = Object.entries(event.toJSON()).filter(
    ([name, value]) => !['data', 'datacontenttype'].includes(name) && value !== undefined,
  );

  it.each(['binary', 'structured'] as const)('in %s mode is read as the event it was', (mode) => {
    const { headers, body } = SdkHttp[mode](event);
    const read = readMessage(flat(headers), Buffer.from(typeof body === 'string' ? body : ''));
    if (read.kind !== 'event') throw new Error(JSON.stringify(read));
    expect(Object.fromEntries(read.event.attributes)).toEqual(Object.fromEntries(attributes));
    const data = Buffer.from(read.event.body).toString();
    if (event.data === undefined) expect(data).toBe('');
    else expect(typeof event.data === 'string' ? data : JSON.parse(data)).toEqual(event.data);
  });
});

describe('what we write', () => {
  const event = {
    ...anEvent('e-1', { subject: 'orders/7', time: '2026-01-02T03:04:05.000Z' }),
    body: Buffer.from('{"total":7}'),
  };
  const expected = {
    ...Object.fromEntries(event.attributes),
    datacontenttype: 'application/json',
    data: { total: 7 },
  };

  it('in binary mode is read by the SDK as the event it was', () => {
    const read = SdkHttp.toEvent({ headers: object(writeBinary(event)), body: event.body.toString() });
    expect(read).toMatchObject(expected);
  });

  it('in structured mode is read by the SDK as the event it was', () => {
    const headers = { 'content-type': STRUCTURED_TYPE.replace('; charset=utf-8', '') }; // it knows no parameter
    expect(SdkHttp.toEvent({ headers, body: writeStructured(event).toString() })).toMatchObject(expected);
  });

  it('as text in structured mode is read by the SDK as a string', () => {
    const text = { ...event, contentType: 'text/plain', body: Buffer.from('häh "€"\n') };
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect(SdkHttp.toEvent({ headers, body: writeStructured(text).toString() })).toMatchObject({
      data: 'häh "€"\n',
    });
  });
});
