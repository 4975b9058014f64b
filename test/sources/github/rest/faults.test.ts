import { describe, expect, it } from 'vitest';
import { faultOf, type Failed } from '../../../../src/sources/github/rest/faults.ts';

const NOW = Date.UTC(2030, 0, 1);
const failed = (status: number, headers: Failed['headers'] = {}, body: unknown = {}): Failed => ({
  tried: 'list the webhooks of octo-org',
  target: 'octo-org',
  status,
  headers,
  body,
  nowMs: NOW,
});
const inSeconds = (after: number): string => String(NOW / 1000 + after);

describe('why GitHub did not do it', () => {
  it.each([
    [401, 'TokenRefused'],
    [403, 'RightsMissing'],
    [404, 'NotFound'],
    [422, 'WebhookRefused'],
    [400, 'WebhookRefused'],
    [429, 'RateLimited'],
    [500, 'GitHubUnavailable'],
    [503, 'GitHubUnavailable'],
    [418, 'GitHubMakesNoSense'],
  ])('%d is %s', (status, reason) => expect(faultOf(failed(status)).reason).toBe(reason));

  it.each<[string, number, Failed['headers'], number | undefined]>([
    ['the seconds of Retry-After', 403, { 'retry-after': '60' }, 60_000],
    ['the date of Retry-After', 429, { 'retry-after': new Date(NOW + 90_000).toUTCString() }, 90_000],
    ['Retry-After of an outage', 503, { 'retry-after': '120' }, 120_000],
    ['a minute when a limit says nothing of its end', 429, {}, 60_000],
    ['the reset', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': inSeconds(300) }, 301_000],
    [
      'the reset by GitHub’s own clock',
      403,
      {
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': inSeconds(3900),
        date: new Date(NOW + 3_600_000).toUTCString(),
      },
      301_000,
    ],
    ['no longer than an hour', 429, { 'retry-after': '999999999' }, 3_600_000],
    [
      'not, while the limit is not reached',
      403,
      { 'x-ratelimit-remaining': '7', 'x-ratelimit-reset': inSeconds(9) },
      undefined,
    ],
    ['not for what is no time', 403, { 'retry-after': 'soon' }, undefined],
  ])('it waits %s', (_, status, headers, afterMs) => {
    const { notBeforeMs } = faultOf(failed(status, headers));
    expect(notBeforeMs).toBe(afterMs === undefined ? undefined : NOW + afterMs);
  });

  it('says what GitHub says, bounded, and what mends it', () => {
    const body = {
      message: 'Validation Failed',
      errors: [{ message: 'x'.repeat(9999) }, 'plain', { code: 1 }],
    };
    const { message } = faultOf(failed(422, {}, body));
    expect(message).toMatch(/^GitHub answered 422 "Validation Failed; xxx/);
    expect(message.length).toBeLessThan(500);
    expect(faultOf(failed(404)).message).toContain('admin:org_hook');
  });

  it.each([null, 'text', 7, [], { message: 7, errors: 'no list' }])('takes %j for a body', (body) => {
    expect(faultOf(failed(500, {}, body)).message).toBe(
      'GitHub answered 500 when asked to list the webhooks of octo-org',
    );
  });
});
