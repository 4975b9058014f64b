import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitHubForward, type ForwardOptions } from '../../../src/sources/github/forward.ts';
import { GitHubStandIn, said, TOKEN } from '../../kit/github-api.ts';

const TARGET = 'octo-org/octo-repo';
const never = new AbortController().signal;

let gitHub: GitHubStandIn;
let opened: GitHubForward[];
beforeEach(async () => {
  gitHub = await GitHubStandIn.open(TARGET);
  opened = [];
});
afterEach(async () => {
  gitHub.instead = undefined;
  for (const forward of opened) await forward.close(never);
  await gitHub.close();
  expect(gitHub.faults).toEqual([]);
});

async function open(more: Partial<ForwardOptions> = {}): Promise<GitHubForward> {
  const options = {
    apiUrl: gitHub.url,
    target: TARGET,
    token: TOKEN,
    secret: 'a long secret',
    events: ['push'],
  };
  const forward = await GitHubForward.open({ ...options, hookId: undefined, who: 'me', ...more }, never);
  opened.push(forward);
  return forward;
}
const emit = async (ref: string): Promise<string> =>
  (await gitHub.emit(TARGET, 'push', { ref }, true))[0]?.guid ?? '';
const polled = async (forward: GitHubForward): Promise<string[]> =>
  (await forward.poll(never)).deliveries.map(({ id }) => id);

describe('forwarding the deliveries of a webhook', () => {
  it('makes a webhook, gives what should come through it once and in order, and removes it', async () => {
    const forward = await open();
    expect(await polled(forward)).toEqual([]);
    const ids = [await emit('one'), await emit('two')];
    const { deliveries } = await forward.poll(never);
    expect(deliveries.map(({ id }) => id)).toEqual(ids);
    expect(deliveries.map(({ event, body }) => [event, Buffer.from(body).toString()])).toEqual([
      ['push', '{"ref":"one"}'],
      ['push', '{"ref":"two"}'],
    ]);
    expect(await polled(forward)).toEqual([]);
    await forward.close(never);
    expect(gitHub.hooksOf(TARGET)).toEqual([]);
    opened = [];
  });

  it('finds its own webhook again when it was killed, and no one else’s', async () => {
    const { hookId } = await open();
    expect((await open()).hookId).toBe(hookId);
    expect((await open({ who: 'you' })).hookId).not.toBe(hookId);
    opened.splice(1, 1);
  });

  it('takes a webhook that is there, from now on, whatever its receiver answers, and leaves it', async () => {
    const { hookId } = await open();
    await emit('before');
    const forward = await open({ hookId });
    const hook = gitHub.hooksOf(TARGET)[0];
    if (hook === undefined) throw new Error('no webhook');
    const delivery = Object.assign(gitHub.record(hook), { code: 200 });
    expect(await polled(forward)).toEqual([delivery.guid]);
    const again = gitHub.record(hook, { guid: delivery.guid, isRedelivery: true });
    expect(await polled(forward)).toEqual([again.guid]);
    await forward.close(never);
    expect(gitHub.hooksOf(TARGET)).toHaveLength(1);
    opened.splice(1);
  });

  it('waits for deliveries that GitHub still tries to bring', async () => {
    const forward = await open();
    const hook = gitHub.hooksOf(TARGET)[0];
    if (hook === undefined) throw new Error('no webhook');
    const pending = Object.assign(gitHub.record(hook), { status: 'pending' });
    expect(await polled(forward)).toEqual([]);
    pending.status = 'failed to connect to host';
    expect(await polled(forward)).toEqual([pending.guid]);
  });

  it('goes through as many pages as there are', async () => {
    const forward = await open();
    gitHub.perPage = 2;
    const ids = [];
    for (let i = 0; i < 7; i += 1) ids.push(await emit(`${i}`));
    expect(await polled(forward)).toEqual(ids);
  });

  it('says what is in the way and goes on behind it, and ends with what will not pass', async () => {
    const forward = await open();
    const ids = [await emit('one'), await emit('two')];
    let details = 0;
    gitHub.instead = ({ path }) =>
      /deliveries\/\d+$/.test(path) && (details += 1) === 2
        ? said(429, 'slow down', { 'retry-after': '7' })
        : undefined;
    const { deliveries, trouble } = await forward.poll(never);
    expect(deliveries.map(({ id }) => id)).toEqual([ids[0]]);
    expect(trouble?.message).toContain('slow down');
    expect(trouble?.notBeforeMs).toBeGreaterThan(Date.now() + 5000);
    expect(await polled(forward)).toEqual([ids[1]]);
    gitHub.instead = () => said(401, 'Bad credentials');
    await expect(forward.poll(never)).rejects.toThrow(/does not know the access token/);
  });
});
