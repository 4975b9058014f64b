import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import { comesTrue, parseCron } from '../../../src/apis/sources/ping-source/cron.ts';
import { pingSourceKind } from '../../../src/apis/sources/ping-source/ping-source.ts';
import { PING_SOURCE, type PingSource } from '../../../src/apis/sources/ping-source/schema.ts';
import { conditionIn, created, World } from '../../kit/world.ts';

const aPing = (spec: Partial<PingSource['spec']> = {}): PingSource => ({
  ...PING_SOURCE,
  metadata: { name: 'clock', namespace: 'demo' },
  spec: { schedule: '*/2 * * * *', sink: { uri: 'http://sink.example/' }, ...spec },
});
const limit = (max: string) => created({ 'knative-eventing/config-ping-defaults': { 'data-max-size': max } });
const faults = (spec: Partial<PingSource['spec']>, context = created()): string =>
  renderFieldErrors(pingSourceKind.validate(aPing(spec), context));
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a PingSource', () => {
  it.each<[string, Partial<PingSource['spec']>]>([
    ['seconds', { schedule: '10 0/5 * * * ?' }],
    ['a time zone', { timezone: 'Europe/Paris' }],
    ['a time zone in the schedule', { schedule: 'CRON_TZ=Asia/Tokyo 0 9 * * *' }],
    ['its older form', { schedule: 'TZ=UTC @daily' }],
    ['Go’s name for here', { timezone: 'Local' }],
    ['a descriptor', { schedule: '@midnight', timezone: 'Europe/Paris' }],
    ['names', { schedule: '0 0 * JAN-mar,dec Mon-FRI' }],
    ['a step that passes the end', { schedule: '*/90 * * * *' }],
    ['JSON', { contentType: 'application/json', data: '{"msg": "Hello"}' }],
    ['null, as Go does', { contentType: 'application/json', data: 'null' }],
    ['base64', { contentType: 'text/plain', dataBase64: 'SGVsbG8gV29ybGQu' }],
    ['any other content type with any text', { contentType: 'application/xml', data: 'Invalid JSON' }],
  ])('takes %s', (_, spec) => {
    expect(faults(spec)).toBe('');
    expect(pingSourceKind.warn?.(aPing(spec))).toEqual([]);
  });

  it.each<[Partial<PingSource['spec']>, string]>([
    [{ schedule: '2' }, 'expected 5 to 6 fields, found 1: [2]: spec.schedule'],
    [{ schedule: '* * * * * * *' }, 'expected 5 to 6 fields, found 7: [* * * * * * *]: spec.schedule'],
    [{ schedule: '60 * * * *' }, 'end of range (60) above maximum (59): 60: spec.schedule'],
    [{ schedule: '* * 0 * *' }, 'beginning of range (0) below minimum (1): 0: spec.schedule'],
    [{ schedule: '* * * * 7' }, 'end of range (7) above maximum (6): 7: spec.schedule'],
    [{ schedule: '30-10 * * * *' }, 'beginning of range (30) beyond end of range (10): 30-10: spec.schedule'],
    [{ schedule: '1-2-3 * * * *' }, 'too many hyphens: 1-2-3: spec.schedule'],
    [{ schedule: '1/2/3 * * * *' }, 'too many slashes: 1/2/3: spec.schedule'],
    [{ schedule: '*/0 * * * *' }, 'step of range should be a positive number: */0: spec.schedule'],
    [
      { schedule: '* * L * *' },
      'failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax: spec.schedule',
    ],
    [{ schedule: '@reboot' }, 'unrecognized descriptor: @reboot: spec.schedule'],
    [{ schedule: '@every 2h' }, 'unsupported descriptor @every: spec.schedule'],
    [{ schedule: '@every 2h', timezone: 'Europe/Paris' }, 'unsupported descriptor @every: spec.schedule'],
    [
      { timezone: 'Knative/Land' },
      'provided bad location Knative/Land: unknown time zone Knative/Land: spec.timezone',
    ],
    [
      { schedule: 'CRON_TZ=+02:00 * * * * *' },
      'provided bad location +02:00: unknown time zone +02:00: spec.timezone',
    ],
    [{ dataBase64: '$$$ invalid base64 string $$$' }, 'illegal base64 data at input byte 0: spec.dataBase64'],
    [{ dataBase64: 'SGVsbG8' }, 'illegal base64 data at input byte 6: spec.dataBase64'],
    [
      { contentType: 'application/json', data: 'Invalid JSON' },
      "invalid character 'I' looking for beginning of value: spec.data",
    ],
    [{ contentType: 'application/json', data: '{"a":' }, 'unexpected end of JSON input: spec.data'],
    [
      { contentType: 'application/json', data: '[1]' },
      'json: cannot unmarshal array into Go value of type map[string]interface {}: spec.data',
    ],
    [
      { contentType: 'application/json', dataBase64: base64('Invalid JSON') },
      "invalid character 'I' looking for beginning of value: spec.dataBase64",
    ],
  ])('refuses %o in upstream’s words', (spec, text) => {
    expect(faults(spec)).toBe(`invalid value: ${text}`);
  });

  it('refuses both forms of data, no sink, and a content type that no header can carry', () => {
    expect(faults({ data: 'a', dataBase64: 'YQ==' })).toBe(
      'expected exactly one, got both: spec.data, spec.dataBase64',
    );
    expect(faults({ sink: {} })).toBe('expected at least one, got none: spec.sink.ref, spec.sink.uri');
    expect(faults({ contentType: 'text/plain\nx: y' })).toContain('spec.contentType');
  });

  it('holds its data to data-max-size', () => {
    const long = { data: 'a'.repeat(11) };
    expect(faults(long, limit('10'))).toBe(
      'invalid value: the data length of 11 bytes exceeds limit set at 10.: spec.data',
    );
    expect(faults({ dataBase64: base64('a'.repeat(11)) }, limit('10'))).toBe(
      'invalid value: the dataBase64 length of 16 bytes exceeds limit set at 10.: spec.dataBase64',
    );
    for (const max of ['11', '-1', '']) expect(faults(long, limit(max))).toBe('');
    expect(
      faults(long, created({ 'knative-eventing/config-ping-defaults': { dataMaxSize: '10' } })),
    ).toContain('exceeds limit');
  });

  it('runs every minute when it says nothing', () => {
    const { schedule: _, ...spec } = aPing().spec;
    const bare = { ...aPing(), spec } as PingSource;
    expect(pingSourceKind.setDefaults(bare, created()).spec.schedule).toBe('* * * * *');
  });

  it('warns of a day that no calendar has', () => {
    expect(pingSourceKind.warn?.(aPing({ schedule: '0 0 31 2 *' }))).toEqual([
      'spec.schedule: no calendar has such a day, so "0 0 31 2 *" never comes true',
    ]);
  });

  it.each([
    ['0 0 29 2 *', true],
    ['0 0 30 2 *', false],
    ['0 0 31 2,4,6 *', false],
    ['0 0 31 2,3 *', true],
    ['0 0 31 2 1', true], // or a Monday
    ['0 0 */31 2 *', true], // the 1st
    [', * * * *', false],
  ])('knows whether %s ever comes true', (schedule, does) => {
    const parsed = parseCron(schedule);
    expect(parsed.kind === 'schedule' && comesTrue(parsed.schedule)).toBe(does);
  });

  it('is one object in both versions, and shows its schedule', async () => {
    const world = await World.open();
    const metadata = { name: 'clock', namespace: 'default' };
    await world.apply({ ...aPing(), apiVersion: 'sources.knative.dev/v1beta2', metadata });
    const { header, rows } = world.table(PING_SOURCE);
    expect(header).toEqual(['Name', 'Sink', 'Schedule', 'Age', 'Ready', 'Reason']);
    expect(rows[0]?.slice(0, 3)).toEqual(['clock', '', '*/2 * * * *']);
    expect(conditionIn(await world.get(PING_SOURCE, 'clock'), 'Ready')).toBeUndefined();
  });
});
