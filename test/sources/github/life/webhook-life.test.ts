import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { refusedHook, said } from '../../../kit/github-api.ts';
import { GitHubLife, LOOK, MINUTE, SECRET_TEXT, TARGET, WEBHOOK_URL } from '../../../kit/github-life.ts';

let life: GitHubLife;
beforeEach(async () => {
  life = await GitHubLife.open();
});
afterEach(async () => {
  await life.close();
  expect(life.gitHub.faults).toEqual([]); // every request was as GitHub describes it
});

const running = (hookId: number): object => ({
  kind: 'running',
  fields: { webhookIDKey: String(hookId) },
  marks: [{ type: 'WebhookConfigured', status: 'True' }],
});
const methods = (): string[] => life.gitHub.asked.map(({ method }) => method);

describe('the webhook of a GitHubSource', { timeout: 30_000 }, () => {
  it.each(['octo-org/octo-repo', 'octo-org'])('is registered for %s, once', async (target) => {
    expect(await life.start({ target })).toMatchObject(running(life.hook.id));
    expect(life.hook).toMatchObject({
      active: true,
      events: ['pull_request', 'push'],
      config: { url: WEBHOOK_URL, content_type: 'json', insecure_ssl: '0', secret: SECRET_TEXT },
    });
    await life.after(LOOK);
    await life.start();
    expect(life.hooks).toHaveLength(1);
    expect(methods().filter((each) => each !== 'GET')).toEqual(['POST']);
  });

  it('is found again by its address when the run ended before it was noted', async () => {
    await life.start();
    life.bookmark.text = undefined;
    await life.start();
    expect(life.hooks).toHaveLength(1);
    expect(life.states.at(-1)).toMatchObject(running(life.hook.id));
  });

  it('is found among many', async () => {
    life.gitHub.perPage = 2;
    await life.start();
    const hook = life.hook;
    for (let i = 1; i <= 4; i += 1)
      life.hooks.unshift({ ...hook, id: i, config: { url: `https://other.example/${i}` } });
    life.bookmark.text = undefined;
    await life.start();
    expect(life.hooks).toHaveLength(5);
    expect(life.states.at(-1)).toMatchObject(running(hook.id));
  });

  it.each([
    ['switched off', () => (life.hook.active = false), 'it was switched off'],
    [
      'pointed elsewhere',
      () => (life.hook.config.url = 'https://evil.example/?key=1'),
      'at https://evil.example',
    ],
    ['set to forms', () => (life.hook.config.content_type = 'form'), 'content type'],
    ['set to check no TLS', () => (life.hook.config.insecure_ssl = '1'), 'TLS'],
    ['left without a secret', () => delete life.hook.config.secret, 'it had no secret'],
    ['given other events', () => (life.hook.events = ['issues']), 'its events were issues'],
  ])('is mended when somebody has %s, and that is told', async (_, change, told) => {
    await life.start();
    change();
    await life.after(LOOK);
    expect(life.hook).toMatchObject({ active: true, events: ['pull_request', 'push'] });
    expect(life.hook.config).toEqual({
      url: WEBHOOK_URL,
      content_type: 'json',
      insecure_ssl: '0',
      secret: SECRET_TEXT,
    });
    expect(life.warnings).toEqual([expect.stringContaining(told)]);
  });

  it('is mended at the next start too, and that is told as long as the plan is the same', async () => {
    await life.start();
    life.hook.active = false;
    await life.start();
    expect(life.warnings).toEqual([expect.stringContaining('it was switched off')]);
    life.hook.active = false;
    await life.start({ eventTypes: ['push'] });
    expect(life.hook.active).toBe(true);
    expect(life.warnings).toHaveLength(1);
  });

  it('is made anew when somebody has removed it, and what went by meanwhile is named as lost', async () => {
    await life.start();
    const lookedMs = life.clock.nowMs();
    life.hooks.splice(0);
    const state = await life.after(LOOK);
    expect(life.hooks).toHaveLength(1);
    const span = [lookedMs, lookedMs + LOOK].map((ms) => new Date(ms).toISOString());
    expect(life.warnings).toEqual([
      expect.stringMatching(`^WebhookReplaced: .* between ${span[0]} and ${span[1]} is lost`),
    ]);
    expect(state).toMatchObject({ marks: [{ status: 'True', reason: 'DeliveriesLost' }] });
  });

  it.each([
    ['events', { eventTypes: ['*'] }, { events: ['*'] }],
    ['secret', { secret: 'another' }, { config: { secret: 'another' } }],
    ['address', { url: 'https://new.example/' }, { config: { url: 'https://new.example/' } }],
  ])('is changed in its place when the %s of the plan change', async (_, change, wanted) => {
    await life.start();
    const { id } = life.hook;
    await life.start(change);
    expect(life.hooks).toMatchObject([{ id, ...wanted }]);
    await life.after(LOOK);
    expect(methods().filter((each) => each !== 'GET')).toEqual(['POST', 'PATCH']);
    expect(life.warnings).toEqual([]); // that was meant
  });

  it('is not set again and again when GitHub writes things in its own way', async () => {
    life.gitHub.eventsKept = (events) => events.filter((each) => each !== 'integration_installation');
    await life.start({ eventTypes: ['integration_installation', 'push'] });
    expect(life.hook.events).toEqual(['push']);
    await life.after(LOOK);
    await life.start();
    expect(methods().filter((each) => each !== 'GET')).toEqual(['POST']);
  });

  it('moves with the source to another repository', async () => {
    await life.close();
    life = await GitHubLife.open('octo-org/other');
    await life.start();
    await life.start({ target: 'octo-org/other' });
    expect(life.gitHub.hooksOf(TARGET)).toEqual([]);
    expect(life.hooks).toHaveLength(1);
  });

  it('is removed with its source, known by its notes or by its address', async () => {
    for (const forget of [false, true]) {
      await life.start();
      await life.stop();
      if (forget) life.bookmark.text = undefined;
      await life.adapter.remove?.(life.plan, life.tools);
      expect(life.hooks).toEqual([]);
      life.bookmark.text = undefined;
    }
    expect(life.warnings).toEqual([]);
  });

  it('being gone already does not keep its source from going', async () => {
    await life.start();
    await life.stop();
    life.hooks.splice(0);
    await life.adapter.remove?.(life.plan, life.tools);
    expect(life.warnings).toEqual([expect.stringContaining('WebhookDeletionSkipped')]);
  });

  it('keeps its source from going while GitHub does not remove it, and says what would help', async () => {
    await life.start();
    await life.stop();
    const removing = async (): Promise<unknown> => life.adapter.remove?.(life.plan, life.tools);
    life.gitHub.rights = 'read';
    await expect(removing()).rejects.toThrow(/Webhooks: read and write.*take accessToken out of the spec/);
    await life.gitHub.goAway();
    await expect(removing()).rejects.toThrow(/was not reached/);
    await life.gitHub.comeBack();
    await life.adapter.remove?.({ ...life.plan, token: undefined }, life.tools);
    expect(life.hooks).toHaveLength(1);
    expect(life.warnings).toEqual([expect.stringContaining(`webhook ${life.hook.id} of ${TARGET}`)]);
  });

  it('without an access token is entered by hand, with all that is to be entered', async () => {
    life.adapter.open({ ...life.plan, token: undefined }, life.tools);
    expect(life.states).toMatchObject([{ kind: 'running', marks: [{ status: 'True', reason: 'Manual' }] }]);
    const text = JSON.stringify(life.states);
    for (const part of [WEBHOOK_URL, 'application/json', 'pull_request, push']) expect(text).toContain(part);
    expect(life.gitHub.asked).toEqual([]);
  });
});

describe('what GitHub does not do is a condition in plain words', { timeout: 30_000 }, () => {
  const failing = async (): Promise<{ reason: string; message: string }> => {
    const state = await life.start();
    if (state?.kind !== 'failing') throw new Error(`it is ${state?.kind}`);
    expect(state.condition).toBe('WebhookConfigured');
    expect(JSON.stringify(life.states)).not.toContain(SECRET_TEXT);
    expect(JSON.stringify(life.states)).not.toContain(life.plan.token);
    return state;
  };

  it('for a wrong token', async () => {
    life.plan = { ...life.plan, token: 'ghp_expired' };
    const { reason, message } = await failing();
    expect(reason).toBe('TokenRefused');
    expect(message).toMatch(/401 "Bad credentials" when asked to list the webhooks of octo-org\/octo-repo/);
    life.gitHub.token = 'ghp_expired';
    expect(await life.after(2000)).toMatchObject({ kind: 'running' });
  });

  it.each([
    ['read', 'RightsMissing', /403 .*GitHub names: repository_hooks=write/],
    ['none', 'NotFound', /404 .*there is no octo-org\/octo-repo, or .* admin:repo_hook/],
  ] as const)('for a token that may %s', async (rights, wanted, text) => {
    life.gitHub.rights = rights;
    const { reason, message } = await failing();
    expect(reason).toBe(wanted);
    expect(message).toMatch(text);
  });

  it('for an address that GitHub does not call', async () => {
    const local = 'url is not supported because it is not reachable over the public Internet (127.0.0.1)';
    life.gitHub.instead = ({ method }) => (method === 'POST' ? refusedHook(local) : undefined);
    expect(await failing()).toMatchObject({
      reason: 'WebhookRefused',
      message: expect.stringContaining(local),
    });
  });

  it.each([
    [
      'x-ratelimit-reset',
      403,
      (nowS: number) => ({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${nowS + 600}` }),
    ],
    ['Retry-After', 429, () => ({ 'retry-after': '600' })],
  ])('for a rate limit, and by %s it waits as long as GitHub asks for', async (_, status, headersAt) => {
    const nowS = life.clock.nowMs() / 1000;
    const headers = { date: new Date(nowS * 1000).toUTCString(), ...headersAt(nowS) };
    life.gitHub.instead = () => said(status, 'API rate limit exceeded', headers as Record<string, string>);
    const { reason, message } = await failing();
    expect(reason).toBe('RateLimited');
    expect(message).toContain(
      `asked again at ${new Date(life.clock.nowMs() + 600_000).toISOString().slice(0, 16)}`,
    );
    const restsMs = life.dueMs - life.clock.nowMs();
    expect(restsMs).toBeGreaterThanOrEqual(10 * MINUTE);
    expect(restsMs).toBeLessThan(11 * MINUTE);
    life.gitHub.instead = undefined;
    expect(await life.after(restsMs)).toMatchObject({ kind: 'running' });
  });

  it('for an outage, and it tries again at least every half minute', async () => {
    life.gitHub.instead = () => ({ status: 502, body: '<html>Unicorn!</html>' });
    expect(await failing()).toMatchObject({
      reason: 'GitHubUnavailable',
      message: expect.stringContaining('502'),
    });
    for (let i = 0; i < 8; i += 1) {
      await life.after(30_000);
      expect(life.dueMs - life.clock.nowMs()).toBeLessThanOrEqual(30_000);
    }
    await life.gitHub.goAway();
    life.clock.advance(30_000);
    await expect
      .poll(() => life.states.at(-1))
      .toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
    life.gitHub.instead = undefined;
    await life.gitHub.comeBack();
    expect(await life.after(30_000)).toMatchObject({ kind: 'running' });
  });

  it('for an answer that makes no sense', async () => {
    life.gitHub.instead = () => ({ status: 200, body: '<html>a login page</html>' });
    expect(await failing()).toMatchObject({
      reason: 'GitHubMakesNoSense',
      message: expect.stringContaining('githubAPIURL'),
    });
  });
});
