import { describe, expect, it } from 'vitest';
import { readBinary, writeBinary, type RawHeaders } from '../../src/events/binary.ts';
import { readMessage } from '../../src/events/message.ts';
import { SdkHttp } from '../../src/events/sdk.ts';
import { anEvent } from '../kit/events.ts';

const REQUIRED = { 'ce-specversion': '1.0', 'ce-id': 'e-1', 'ce-source': '/shop', 'ce-type': 'order.paid' };
const EMPTY = new Uint8Array();

const flat = (headers: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [name, value]));

function subjectOf(written: string): string | undefined {
  const read = readBinary(flat({ ...REQUIRED, 'ce-subject': written }), EMPTY);
  return read.kind === 'event' ? read.event.attributes.get('subject') : undefined;
}

describe('binary content mode (HTTP binding 3.1)', () => {
  it('hands on the very bytes that came in (P3)', () => {
    const body = Uint8Array.of(0, 255, 128, 10);
    const read = readBinary(flat({ ...REQUIRED, 'content-type': 'application/json' }), body);
    expect(read).toMatchObject({ kind: 'event', event: { contentType: 'application/json' } });
    expect(read.kind === 'event' && read.event.body).toBe(body);
  });

  it('adds nothing: what came without a content type or a time goes out without them', () => {
    const read = readBinary(flat(REQUIRED), EMPTY);
    expect(read.kind === 'event' && writeBinary(read.event)).toEqual(flat(REQUIRED));
  });

  it('reads header names in any case', () => {
    const read = readBinary(['CE-SpecVersion', '1.0', 'Ce-Id', 'x', 'ce-source', 's', 'cE-type', 't'], EMPTY);
    expect(read.kind === 'event' && [...read.event.attributes.keys()]).toEqual([
      'specversion',
      'id',
      'source',
      'type',
    ]);
  });

  it('takes 0.3 as it takes 1.0', () => {
    const read = readBinary(flat({ ...REQUIRED, 'ce-specversion': '0.3', 'ce-schemaurl': '/s' }), EMPTY);
    expect(read.kind === 'event' && read.event.attributes.get('schemaurl')).toBe('/s');
  });

  it.each([
    ['Euro € 😀', 'Euro%20%E2%82%AC%20%F0%9F%98%80'],
    ['100% "sure"', '100%25%20%22sure%22'],
    ["~!#$&'()*+,/:;=?@[]", "~!#$&'()*+,/:;=?@[]"],
  ])('3.1.3.2 writes %s as %s, and reads it back', (value, written) => {
    expect(writeBinary(anEvent('e-1', { subject: value }))).toContain(written);
    expect(subjectOf(written)).toBe(value);
  });

  it.each([
    ['lower-case digits', '%e2%82%ac', '€'],
    ['what need not be encoded', '%41BC', 'ABC'],
    ['one round only', '%2541', '%41'],
    ['quotes of older senders', '"say \\"hi\\" %41"', 'say "hi" A'],
    ['a lone percent sign', '100% of 5%zz', '100% of 5%zz'],
    ['UTF-8 that was not encoded', Buffer.from('Euro €').toString('latin1'), 'Euro €'],
  ])('3.1.3.2 reads %s', (_, written, value) => {
    expect(subjectOf(written)).toBe(value);
  });

  it.each<[Record<string, string | undefined>, string]>([
    [{ 'ce-subject': '%C0%A0' }, 'ce-subject: not valid UTF-8'],
    [{ 'ce-subject': '%ED%A0%80' }, 'ce-subject: not valid UTF-8'],
    [{ 'ce-subject': 'a%0D%0Ax: b' }, 'ce-subject: control characters are not allowed'],
    [{ 'ce-subject': 'a%7F' }, 'ce-subject: control characters are not allowed'],
    [{ 'ce-subject': 'a%C2%85' }, 'ce-subject: control characters are not allowed'],
    [{ 'ce-my-ext': '1' }, 'ce-"my-ext": an attribute name has lower-case letters and digits only'],
    [{ 'ce-my_ext': '1' }, 'ce-"my_ext": an attribute name has lower-case letters and digits only'],
    [{ 'ce-data': '1' }, 'ce-data: is the payload, not an attribute'],
    [{ 'ce-': '1' }, 'ce-an attribute without a name'],
    [{ 'ce-datacontenttype': 'a/b' }, 'ce-datacontenttype: is written as Content-Type (HTTP binding 3.1.1)'],
    [{ 'ce-id': '' }, 'ce-id: required, and missing or empty'],
    [{ 'ce-id': undefined }, 'ce-id: required, and missing or empty'],
    [{ 'ce-source': '' }, 'ce-source: required, and missing or empty'],
    [{ 'ce-type': undefined }, 'ce-type: required, and missing or empty'],
    [{ 'ce-specversion': undefined }, 'ce-specversion: required, and missing or empty'],
    [{ 'ce-specversion': '9.9' }, 'ce-specversion: "9.9" is not supported; use 1.0 or 0.3'],
    [{ 'ce-time': 'yesterday' }, 'ce-time: "yesterday" is not an RFC 3339 timestamp'],
    [{ 'ce-time': '2026-13-01T00:00:00Z' }, 'ce-time: "2026-13-01T00:00:00Z" is not an RFC 3339 timestamp'],
    [{ 'ce-time': '2026-01-01' }, 'ce-time: "2026-01-01" is not an RFC 3339 timestamp'],
    [{ 'CE-ID': 'again' }, 'ce-id: given twice'],
    [{ 'content-type': 'a/b', 'Content-Type': 'a/b' }, 'content-type: given twice'],
  ])('refuses %j with 400, and names the attribute', (headers, reason) => {
    expect(readBinary(flat({ ...REQUIRED, ...headers }), EMPTY)).toEqual({
      kind: 'malformed',
      code: 400,
      reason,
    });
  });

  it('refuses more than 64 KiB of attributes, or more than 256 of them, with 431', () => {
    const large = readBinary(flat({ ...REQUIRED, 'ce-big': 'x'.repeat(65_536) }), EMPTY);
    expect(large).toMatchObject({ kind: 'malformed', code: 431 });
    const many = Object.fromEntries(Array.from({ length: 260 }, (_, i) => [`ce-x${i}`, '1']));
    expect(readBinary(flat({ ...REQUIRED, ...many }), EMPTY)).toMatchObject({ kind: 'malformed', code: 431 });
  });

  it('says when the headers do not speak of an event at all', () => {
    expect(readBinary(['content-type', 'text/plain'], EMPTY)).toEqual({ kind: 'other' });
  });

  it('lets the headers travel that upstream lists, and no others', () => {
    const headers = { 'X-Request-Id': 'r', 'knative-foo': 'k', 'x-b3-traceid': 'b', cookie: 'secret' };
    const read = readBinary(flat({ ...REQUIRED, ...headers }), EMPTY);
    expect(read.kind === 'event' && [...(read.event.headers ?? [])]).toEqual([
      ['x-request-id', 'r'],
      ['knative-foo', 'k'],
      ['x-b3-traceid', 'b'],
    ]);
  });

  it('is read by the SDK as the event it was', () => {
    const event = anEvent('e-1', { subject: 'orders/7' });
    const headers = pairsToObject(writeBinary(event));
    const read = SdkHttp.toEvent({ headers, body: Buffer.from(event.body).toString() });
    expect(read).toMatchObject({
      ...Object.fromEntries(event.attributes),
      datacontenttype: 'application/json',
    });
  });

  it.each([
    ['application/cloudevents+xml', 'content-type: application/cloudevents+xml is not supported'],
    [
      'application/cloudevents-batch+avro',
      'content-type: application/cloudevents-batch+avro is not supported',
    ],
  ])('3 refuses the event format %s with 415', (type, reason) => {
    const read = readMessage(['content-type', type], EMPTY);
    expect(read).toMatchObject({ kind: 'malformed', code: 415, reason: expect.stringContaining(reason) });
  });
});

function pairsToObject(pairs: RawHeaders): Record<string, string> {
  const object: Record<string, string> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) object[pairs[i] ?? ''] = pairs[i + 1] ?? '';
  return object;
}
