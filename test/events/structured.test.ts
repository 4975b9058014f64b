import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBinary, writeBinary } from '../../src/events/binary.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { decodeHead, encodeHead } from '../../src/events/head.ts';
import { readMessage } from '../../src/events/message.ts';
import { SdkHttp } from '../../src/events/sdk.ts';
import { readBatch } from '../../src/events/batch.ts';
import { readStructured } from '../../src/events/read-structured.ts';
import { writeStructured } from '../../src/events/structured.ts';
import { anEvent } from '../kit/events.ts';

const REQUIRED = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'order.paid' };
const json = (members: object): Buffer => Buffer.from(JSON.stringify(members));

function eventIn(text: string | Uint8Array): CloudEvent {
  const read = readStructured(Buffer.from(text));
  if (read.kind !== 'event') throw new Error(JSON.stringify(read));
  return read.event;
}

const textOf = ({ body }: CloudEvent): string => Buffer.from(body).toString();

describe('structured content mode (JSON format)', () => {
  it('3.1 takes JSON data byte for byte: a number of 20 digits and odd spacing survive (P3)', () => {
    const data = '{ "n":12345678901234567890,\n "a" : 1.0, "s":"\\u20ac}]\\"" }';
    const event = eventIn(`{"specversion":"1.0","data":${data} ,"id":"1","source":"s","type":"t"}`);
    expect(textOf(event)).toBe(data);
    expect(event.contentType).toBe('application/json'); // implied by the format, so said when leaving it
  });

  it('writes JSON data byte for byte, binary to structured too', () => {
    expect(writeStructured(anEvent()).toString()).toContain('"data":{"total":12345678901234567890}}');
  });

  it.each([
    ['a string', '"text/plain"', '"häh\\n"', 'häh\n'],
    ['a JSON string', '"application/json"', '"häh"', '"häh"'],
    ['zero', '"application/vnd.x+json"', '0', '0'],
    ['false', '"application/json; charset=utf-8"', 'false', 'false'],
  ])('3.1 reads %s', (_, type, data, bytes) => {
    const members = `"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":${type}`;
    expect(textOf(eventIn(`{${members},"data":${data}}`))).toBe(bytes);
  });

  it('3.1.1 reads data_base64 as bytes', () => {
    expect([...eventIn(json({ ...REQUIRED, data_base64: 'AP+ACg==' })).body]).toEqual([0, 255, 128, 10]);
  });

  it('0.3 reads datacontentencoding, and forgets it with the encoding', () => {
    const event = eventIn(
      json({ ...REQUIRED, specversion: '0.3', datacontentencoding: 'base64', data: 'AP8=' }),
    );
    expect([...event.body]).toEqual([0, 255]);
    expect(event.attributes.has('datacontentencoding')).toBe(false);
  });

  it('datacontentencoding is an extension like any other in 1.0', () => {
    const event = eventIn(json({ ...REQUIRED, datacontentencoding: 'base64', data: 'AP8=' }));
    expect(textOf(event)).toBe('"AP8="');
    expect(event.attributes.get('datacontentencoding')).toBe('base64');
  });

  it('0.3 writes what binary mode carried as base64 text once, not twice encoded', () => {
    const event = anEvent('e-1', { specversion: '0.3', datacontentencoding: 'base64' });
    const written = writeStructured({ ...event, contentType: 'image/png', body: Buffer.from('AP8=') });
    expect(JSON.parse(written.toString())).toMatchObject({ datacontentencoding: 'base64', data: 'AP8=' });
    expect([...eventIn(written).body]).toEqual([0, 255]);
  });

  it('0.3 writes bytes as base64 in data, since it knows no data_base64', () => {
    const event = {
      ...anEvent('e-1', { specversion: '0.3' }),
      contentType: 'image/png',
      body: Buffer.of(0, 255),
    };
    expect(JSON.parse(writeStructured(event).toString())).toMatchObject({
      data: 'AP8=',
      datacontentencoding: 'base64',
    });
    expect([...eventIn(writeStructured(event)).body]).toEqual([0, 255]);
  });

  it('leaves only the space around a JSON text behind (RFC 8259, 2)', () => {
    const event = { ...anEvent(), body: Buffer.from(' \n{ "a" : 1 }\n') };
    expect(textOf(eventIn(writeStructured(event)))).toBe('{ "a" : 1 }');
  });

  it('writes JSON that no reader should be given as base64: too deep, cut short, or not UTF-8', () => {
    for (const body of ['['.repeat(101) + ']'.repeat(101), '{"a":', Buffer.of(0x22, 0xff, 0x22)]) {
      const written = writeStructured({ ...anEvent(), body: Buffer.from(body) });
      expect(JSON.parse(written.toString())).toHaveProperty('data_base64');
      expect(Buffer.from(eventIn(written).body)).toEqual(Buffer.from(body));
    }
  });

  it('reads and writes 8 MiB of base64', () => {
    const body = Buffer.alloc(8 * 1024 * 1024, 0xfe);
    const written = writeStructured({ ...anEvent(), contentType: 'image/png', body });
    expect(body.equals(eventIn(written).body)).toBe(true);
  });

  it('refuses more than 64 KiB of attributes with 431, escaped or not', () => {
    for (const value of ['x'.repeat(65_536), '\u20ac'.repeat(21_846)])
      expect(readStructured(json({ ...REQUIRED, big: value }))).toMatchObject({ code: 431 });
    const many = Object.fromEntries(Array.from({ length: 260 }, (_, i) => [`x${i}`, '1']));
    expect(readStructured(json({ ...REQUIRED, ...many }))).toMatchObject({ code: 431 });
    expect(readStructured(json({ ...REQUIRED, big: 'x'.repeat(65_000) }))).toMatchObject({ kind: 'event' });
  });

  it.each(['utf-16', 'iso-8859-1'])('refuses the charset %s with 415: JSON is UTF-8', (charset) => {
    const headers = ['content-type', `application/cloudevents+json; charset=${charset}`];
    expect(readMessage(headers, json(REQUIRED))).toMatchObject({ kind: 'malformed', code: 415 });
  });

  it('2.2 keeps the digits of a number, writes a boolean, and leaves out null', () => {
    const text =
      '{"specversion":"1.0","id":"1","source":"s","type":"t","n":12345678901234567890,"b":true,"x":null}';
    expect(Object.fromEntries(eventIn(text).attributes)).toMatchObject({
      n: '12345678901234567890',
      b: 'true',
    });
    expect(eventIn(text).attributes.has('x')).toBe(false);
  });

  it.each<[string, string | Uint8Array, string]>([
    ['no JSON', '{"id":', 'body: not JSON'],
    ['no object', '[]', 'body: not a JSON object'],
    ['invalid UTF-8', Uint8Array.of(123, 0xc0, 125), 'body: not valid UTF-8'],
    ['100 000 open brackets', '['.repeat(100_000), 'body: not'],
    ['nesting past 100', `{"a":${'['.repeat(101)}${']'.repeat(101)}}`, 'nested deeper'],
    ['a missing id', json({ ...REQUIRED, id: undefined }), 'id: required'],
    ['an object for an attribute', json({ ...REQUIRED, ext: {} }), 'ext: an attribute is a string'],
    ['an upper-case name', json({ ...REQUIRED, Ext: '1' }), '"Ext": an attribute name'],
    ['a dangerous name', '{"__proto__":"x"}', '"__proto__": an attribute name'],
    ['a line break', json({ ...REQUIRED, subject: 'a\r\nx-evil: 1' }), 'subject: control characters'],
    ['a lone surrogate', '{"specversion":"1.0","subject":"\\ud800"}', 'subject: not valid Unicode'],
    ['an attribute given twice', '{"id":"1","id":"2"}', 'id: given twice'],
    [
      'both payloads',
      json({ ...REQUIRED, data: 1, data_base64: '' }),
      'data: given together with data_base64',
    ],
    ['broken base64', json({ ...REQUIRED, data_base64: 'a' }), 'data_base64: not base64'],
    ['base64 of another alphabet', json({ ...REQUIRED, data_base64: 'AP_-' }), 'data_base64: not base64'],
    ['version 2', json({ ...REQUIRED, specversion: '2.0' }), 'specversion: "2.0" is not supported'],
  ])('refuses %s, and says why', (_, body, reason) => {
    expect(readStructured(Buffer.from(body))).toMatchObject({
      kind: 'malformed',
      reason: expect.stringContaining(reason),
    });
  });

  it('takes a charset and any case in its content type', () => {
    const headers = ['Content-Type', 'Application/CloudEvents+JSON; charset=UTF-8'];
    expect(readMessage(headers, json(REQUIRED))).toMatchObject({ kind: 'event' });
  });

  it('is read by the SDK as the event it was', () => {
    const event = { ...anEvent(), body: Buffer.from('{"total":7}') };
    const message = {
      headers: { 'content-type': 'application/cloudevents+json' },
      body: writeStructured(event).toString(),
    };
    expect(SdkHttp.toEvent(message)).toMatchObject({ id: 'e-1', data: { total: 7 } });
  });
});

describe('batched content mode (JSON format 4)', () => {
  it('reads all events of a batch, and an empty one', () => {
    expect(readBatch(json([REQUIRED, { ...REQUIRED, id: 'e-2' }]))).toMatchObject({
      kind: 'batch',
      events: [{}, {}],
    });
    expect(readBatch(json([]))).toEqual({ kind: 'batch', events: [] });
  });

  it('refuses more than 10 000 events', () => {
    const batch = Buffer.from(`[${'1,'.repeat(10_001)}1]`);
    expect(readBatch(batch)).toMatchObject({ reason: 'batch: more than 10000 members' });
  });

  it('keeps an event without keeping the batch that it came in', () => {
    const batch = json([{ ...REQUIRED, data: 'x'.repeat(100_000) }]);
    const read = readBatch(batch);
    expect(read.kind === 'batch' && read.events[0]?.body.buffer !== batch.buffer).toBe(true);
  });

  it('refuses the whole batch for one bad event, and says which', () => {
    expect(readBatch(json([REQUIRED, { ...REQUIRED, id: '' }]))).toMatchObject({
      reason: 'event 1 of the batch: id: required, and missing or empty',
    });
  });
});

/** Any valid event: Unicode values, any bytes, any of the content types that the formats treat apart. */
const anyEvent = fc
  .record({
    extensions: fc.dictionary(fc.stringMatching(/^[a-z0-9]{1,20}$/), fc.string({ unit: 'grapheme' }), {
      maxKeys: 5,
    }),
    contentType: fc.constantFrom(
      undefined,
      'application/json',
      'text/plain',
      'image/png',
      'application/x+json; a=b',
    ),
    body: fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => new Uint8Array(Buffer.from(text))),
    ),
  })
  .map(({ extensions, contentType, body }): CloudEvent => {
    const names = Object.entries(extensions).filter(([name, value]) => {
      const isReserved = ['data', 'time', 'datacontenttype', 'datacontentencoding'].includes(name);
      return !isReserved && !/\p{Cc}/u.test(value) && value !== '';
    });
    return { attributes: new Map([...names, ...Object.entries(REQUIRED)]), contentType, body };
  });

const shape = ({ attributes, contentType, body }: CloudEvent): unknown => ({
  attributes: Object.fromEntries(attributes),
  contentType,
  body: [...body],
});

describe('any event survives', () => {
  it('binary mode', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const read = readBinary(writeBinary(event), event.body);
        expect(read.kind === 'event' && shape(read.event)).toEqual(shape(event));
      }),
    );
  });

  it('structured mode, its bytes and its content type included', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(shape(eventIn(writeStructured(event)))).toEqual(shape(event));
      }),
    );
  });

  it('the way through structured and binary mode, one after the other', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const structured = eventIn(writeStructured(event));
        const read = readBinary(writeBinary(structured), structured.body);
        expect(read.kind === 'event' && shape(read.event)).toEqual(shape(event));
      }),
    );
  });

  it('damage to a stored head is an error, never an event with less', () => {
    const head = encodeHead(anEvent());
    expect(() => decodeHead(head.subarray(0, 20))).toThrow('cut short');
    expect(() => decodeHead(Buffer.concat([Buffer.of(9), head]))).toThrow('format 9');
  });

  it('storage, with the headers that travel along', () => {
    const headers = new Map([['x-request-id', 'r']]);
    expect(decodeHead(encodeHead({ ...anEvent(), headers })).headers).toEqual(headers);
    expect(decodeHead(encodeHead(anEvent()))).not.toHaveProperty('headers');
  });

  it('storage', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(shape({ ...decodeHead(encodeHead(event)), body: event.body })).toEqual(shape(event));
      }),
    );
  });
});
