import { describe, expect, it } from 'vitest';
import { inNetworks, parseNetworks } from '../../src/http/trusted-proxies.ts';

describe('networks', () => {
  it.each([
    [
      '10.0.0.0/8, 192.0.2.7,2001:db8::/32',
      ['10.1.2.3', '192.0.2.7', '2001:db8::1'],
      ['11.0.0.1', '192.0.2.8', '::1', 'x'],
    ],
    ['::1', ['::1'], ['127.0.0.1', '::2']],
    ['', [], ['127.0.0.1']],
  ])('%j have %j in them, and not %j', (written, inside, outside) => {
    const parsed = parseNetworks(written);
    const isIn = inNetworks('networks' in parsed ? parsed.networks : []);
    expect([inside.every(isIn), outside.some(isIn)]).toEqual([true, false]);
  });

  it.each(['10.0.0.0/33', 'localhost', '10.0.0/8', '10.0.0.1,,example.com'])('are not %j', (written) => {
    expect(parseNetworks(written)).toHaveProperty('fault');
  });
});
