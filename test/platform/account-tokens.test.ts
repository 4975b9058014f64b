import { beforeEach, describe, expect, it } from 'vitest';
import { API_AUDIENCE } from '../../src/apiserver/tokens/token-authority.ts';
import { accountTokens } from '../../src/platform/account-tokens.ts';
import type { AccountTokens } from '../../src/serving/control/account-tokens.ts';
import { FakeClock } from '../kit/fake-clock.ts';

const HOUR_MS = 3_600_000;
const ASKED = { namespace: 'n', account: 'robot', audience: undefined, expirationSeconds: 3600 };

let clock: FakeClock;
let uid: string | undefined;
let issued: string[];
let tokens: AccountTokens;
beforeEach(() => {
  clock = new FakeClock();
  uid = 'one';
  issued = [];
  const issue = async (claims: object, audiences: readonly string[], seconds: number) => {
    issued.push(JSON.stringify([claims, audiences, seconds]));
    return { token: String(issued.length), expiresMs: 0 };
  };
  tokens = accountTokens({ issue }, () => uid, clock);
});

describe('the tokens that volumes hold', () => {
  it('are the same until four fifths of their time are over, and then another', async () => {
    const first = await tokens(ASKED);
    expect(first).toMatchObject({ token: '1', renewAtMs: clock.nowMs() + 0.8 * HOUR_MS });
    expect(issued).toEqual([
      JSON.stringify([{ namespace: 'n', account: { name: 'robot', uid: 'one' } }, [API_AUDIENCE], 3600]),
    ]);
    clock.advance(0.8 * HOUR_MS - 1);
    expect(await tokens(ASKED)).toBe(first);
    clock.advance(1);
    expect(await tokens(ASKED)).toMatchObject({ token: '2' });
  });

  it('are renewed after a day, however long they are good', async () => {
    const asked = { ...ASKED, expirationSeconds: 30 * 86_400 };
    expect(await tokens(asked)).toMatchObject({ renewAtMs: clock.nowMs() + 24 * HOUR_MS });
  });

  it('are others for other audiences, and for another account of the same name', async () => {
    await tokens(ASKED);
    expect(await tokens({ ...ASKED, audience: 'vault' })).toMatchObject({ token: '2' });
    uid = 'two';
    expect(await tokens(ASKED)).toMatchObject({ token: '3' });
  });

  it('are none while there is no such account, and that says how to make it', async () => {
    uid = undefined;
    expect(await tokens(ASKED)).toEqual({
      kind: 'missing',
      reason: 'service account n/robot is not there; make it with: kubectl create serviceaccount robot -n n',
    });
  });
});
