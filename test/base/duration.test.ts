import { describe, expect, it } from 'vitest';
import { parseGoDuration, parseIsoDuration } from '../../src/base/duration.ts';

describe('an ISO 8601 duration', () => {
  it.each([
    ['PT0.2S', 200],
    ['PT10M', 600_000],
    ['PT1H', 3_600_000],
    ['P1DT12H', 129_600_000],
    ['PT0S', 0],
    ['P2D', 172_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseIsoDuration(text)).toBe(ms));

  it.each([
    '',
    'P',
    'PT',
    '1s',
    '-PT1S',
    'P1M',
    'P1Y',
    'P1W',
    'PT1,5S',
    'PT1e3S',
    'P1DT',
    'pt1s',
    'PT99999999999999999S',
  ])('%j is refused, not guessed', (text) => expect(parseIsoDuration(text)).toBeUndefined());
});

describe('a Go duration', () => {
  it.each([
    ['60s', 60_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['100ms', 100],
    ['-1s', -1000],
  ])('%s is %d ms', (text, ms) => expect(parseGoDuration(text)).toBe(ms));

  it.each(['', '60', 's', '1 s', '1d', '1h-1m'])('%j is refused', (text) => {
    expect(parseGoDuration(text)).toBeUndefined();
  });
});
