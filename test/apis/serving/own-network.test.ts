import { describe, expect, it } from 'vitest';
import { NETWORK, networkErrors, networkOf } from '../../../src/apis/serving/own-network.ts';

describe('annotation runtime.millrace.dev/network', () => {
  it.each(['own', 'host'] as const)('may be %s', (value) => {
    expect([networkErrors({ [NETWORK]: value }), networkOf({ [NETWORK]: value })]).toEqual([[], value]);
  });

  it('is refused with what it may be', () => {
    expect(networkErrors({ [NETWORK]: 'mine' })).toMatchObject([
      { message: 'invalid value: mine', paths: [NETWORK], details: 'it is own or host' },
    ]);
  });

  it('that is not there leaves it to what its program turns out to need', () => {
    expect([networkErrors({}), networkOf({})]).toEqual([[], undefined]);
  });
});
