import { describe, expect, it } from 'vitest';
import { parseCron } from '../../../src/apis/sources/ping-source/cron.ts';
import { ticksOf } from '../../../src/sources/ping/schedule.ts';

/** The next ticks after a moment, in UTC. */
function ticks(schedule: string, timezone: string, after: string, count = 3): string[] {
  const parsed = parseCron(schedule, timezone);
  if (parsed.kind === 'fault') throw new Error(parsed.message);
  const next = ticksOf(parsed.schedule);
  let atMs: number | undefined = Date.parse(after);
  const found: string[] = [];
  while (found.length < count && (atMs = next(atMs)) !== undefined)
    found.push(new Date(atMs).toISOString().slice(0, 16));
  return found;
}

describe('a cron schedule', () => {
  it.each([
    ['* * * * *', '2026-05-04T10:00:00Z', ['2026-05-04T10:01', '2026-05-04T10:02', '2026-05-04T10:03']],
    ['10/20 * * * *', '2026-05-04T10:15:00Z', ['2026-05-04T10:30', '2026-05-04T10:50', '2026-05-04T11:10']],
    ['0-30/15 9 * * *', '2026-05-04T09:10:00Z', ['2026-05-04T09:15', '2026-05-04T09:30', '2026-05-05T09:00']],
    ['*/90 * * * *', '2026-05-04T10:15:00Z', ['2026-05-04T11:00', '2026-05-04T12:00', '2026-05-04T13:00']],
    ['@weekly', '2026-05-04T00:00:00Z', ['2026-05-10T00:00', '2026-05-17T00:00', '2026-05-24T00:00']],
    ['0 0 * FEB *', '2026-05-04T00:00:00Z', ['2027-02-01T00:00', '2027-02-02T00:00', '2027-02-03T00:00']],
    ['0 0 29 2 *', '2026-05-04T00:00:00Z', ['2028-02-29T00:00', '2032-02-29T00:00', '2036-02-29T00:00']],
    // A day of the month or a day of the week, as soon as both are restricted.
    ['0 0 13 * FRI', '2026-05-04T00:00:00Z', ['2026-05-08T00:00', '2026-05-13T00:00', '2026-05-15T00:00']],
    ['0 0 1-31 * FRI', '2026-05-04T00:00:00Z', ['2026-05-05T00:00', '2026-05-06T00:00', '2026-05-07T00:00']],
    ['0 0 ? * FRI', '2026-05-04T00:00:00Z', ['2026-05-08T00:00', '2026-05-15T00:00', '2026-05-22T00:00']],
  ])('%s comes true at its times', (schedule, after, expected) => {
    expect(ticks(schedule, 'UTC', after)).toEqual(expected);
  });

  it('goes by the time zone, wherever that stands', () => {
    const nine = ['2026-01-15T00:00', '2026-01-16T00:00', '2026-01-17T00:00'];
    expect(ticks('0 9 * * *', 'Asia/Tokyo', '2026-01-14T12:00:00Z')).toEqual(nine);
    expect(ticks('CRON_TZ=Asia/Tokyo 0 9 * * *', '', '2026-01-14T12:00:00Z')).toEqual(nine);
    expect(ticks('0 9 * * *', 'Asia/Kolkata', '2026-01-14T12:00:00Z', 1)).toEqual(['2026-01-15T03:30']);
  });

  // In Berlin, 02:00 becomes 03:00 on 2026-03-29 at 01:00 UTC.
  it('has a fixed time that the clocks leave out come true once, as the gap ends', () => {
    const day = '2026-03-28T12:00:00Z';
    expect(ticks('30 2 * * *', 'Europe/Berlin', day, 2)).toEqual(['2026-03-29T01:00', '2026-03-30T00:30']);
    expect(ticks('0,30 2 * * *', 'Europe/Berlin', day, 2)).toEqual(['2026-03-29T01:00', '2026-03-30T00:00']);
    expect(ticks('0 2,3 * * *', 'Europe/Berlin', day, 2)).toEqual(['2026-03-29T01:00', '2026-03-30T00:00']);
  });

  // And 03:00 becomes 02:00 on 2026-10-25 at 01:00 UTC.
  it('has a fixed time that the clocks repeat come true once, the first time', () => {
    const day = '2026-10-24T12:00:00Z';
    expect(ticks('30 2 * * *', 'Europe/Berlin', day, 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
  });

  it('has what repeats go on repeating, whatever the clocks do', () => {
    const hours = (from: string): string[] => ticks('0 * * * *', 'Europe/Berlin', from, 4);
    expect(hours('2026-03-28T23:30:00Z')).toEqual([
      '2026-03-29T00:00',
      '2026-03-29T01:00',
      '2026-03-29T02:00',
      '2026-03-29T03:00',
    ]);
    expect(hours('2026-10-24T23:30:00Z')).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
      '2026-10-25T03:00',
    ]);
    expect(ticks('*/30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 5)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
      '2026-10-26T01:00',
    ]);
  });

  it('knows clocks that move by half an hour', () => {
    const next = ticks('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T12:00:00Z', 2);
    expect(next).toEqual(['2026-10-03T15:30', '2026-10-04T15:15']);
  });
});
