import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { GitHubStandIn, TOKEN } from '../kit/github-api.ts';
import { examplePayloads } from '../kit/github.ts';
import { millrace, platformStarter, runFileOf, Running } from '../kit/millrace.ts';

const TARGET = 'Codertocat/Hello-World';
const FUNCTION = {
  'index.js': "exports.handle = (context, event) => { console.log('seen', event.type, event.id); };\n",
};
const WAIT = { timeout: 60_000, interval: 100 };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** `apiUrl` undefined: its webhook is entered by hand. */
const source = (name: string, apiUrl: string | undefined, token = apiUrl !== undefined): string => `
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: ${name}}
spec:
  ownerAndRepository: ${TARGET}
  eventTypes: [push, pull_request]
  ${token ? 'accessToken: {secretKeyRef: {name: github, key: accessToken}}' : ''}
  ${apiUrl === undefined ? '' : `githubAPIURL: ${apiUrl}`}
  secretToken: {secretKeyRef: {name: github, key: secretToken}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: github}}
`;
const WORLD = `
apiVersion: v1
kind: Secret
metadata: {name: github}
stringData: {secretToken: a long random text, accessToken: ${TOKEN}}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: github}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: greeter}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0'}}
    spec: {containers: [{image: greeter}]}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: greets}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: github}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: greeter}}
`;

const root = temporaryFolder('github-source');
const dataDir = join(root, 'data');
const up = platformStarter();
let gitHub: GitHubStandIn;
let platform: Running;
let kubectl: TestApi['kubectl'];

beforeAll(async () => {
  gitHub = await GitHubStandIn.open(TARGET);
  platform = await up(dataDir);
  kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
});
afterAll(async () => {
  await gitHub.close();
  expect(gitHub.faults).toEqual([]); // every request was as GitHub describes it
});

const payloadOf = (
  event: string,
  has: (payload: Readonly<Record<string, unknown>>) => boolean = () => true,
): object => {
  const found = examplePayloads().find(({ name, payload }) => name === event && has(payload));
  if (found === undefined) throw new Error(`no example of ${event}`);
  return found.payload;
};
const push = payloadOf('push');
const trace = (id: string): Promise<string> =>
  millrace(['trace', id, '--data-dir', dataDir]).then(({ stdout }) => stdout);
const conditions = async (name: string): Promise<string> =>
  (await kubectl(['get', 'githubsource', name, '-o', 'jsonpath={.status.conditions}'])).stdout;
async function ready(...names: readonly string[]): Promise<void> {
  const waited = await kubectl(['wait', '--for=condition=Ready', '--timeout=28s', ...names]);
  if (waited.code !== 0) throw new Error(`${waited.stderr} ${await conditions('repository')}`);
}
const [hookOf, hooks] = [() => gitHub.hooksOf(TARGET)[0], () => gitHub.hooksOf(TARGET)];

/** In the order of its life: each step stands on those before it. */
describe('a GitHubSource from its first apply to its end', { timeout: 150_000 }, () => {
  it('registers its webhook, and a push that GitHub delivers wakes a function from zero', async () => {
    const code = folderWith('greeter', FUNCTION);
    expect(await millrace(['push', 'greeter', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
    expect(await kubectl(['apply'], `${WORLD}---${source('repository', gitHub.url)}`)).toMatchObject({
      code: 0,
    });
    await ready('githubsource/repository', 'subscription/greets', 'ksvc/greeter');
    const { gateway } = runFileOf(dataDir).endpoints;
    expect(hookOf()?.config.url).toBe(`${gateway}/webhooks/default/repository`);
    const shown = await kubectl([
      'get',
      'githubsource',
      'repository',
      '-o',
      'jsonpath={.status.webhookIDKey}',
    ]);
    expect(shown.stdout).toBe(String(hookOf()?.id));

    const [delivery] = await gitHub.emit(TARGET, 'push', push);
    expect(delivery?.code).toBe(202);
    await expect.poll(() => trace(delivery?.guid ?? ''), WAIT).toMatch(/woken from zero/);
    expect(await trace(delivery?.guid ?? '')).not.toContain('fetched');
  });

  it('fetches after a crash what GitHub could not bring meanwhile, once, and says so in the trace', async () => {
    await platform.stop('SIGKILL');
    const id = hookOf()?.id;
    const merged = payloadOf('pull_request', ({ action }) => action === 'closed') as { pull_request: object };
    const missed = [
      ...(await gitHub.emit(TARGET, 'push', push)),
      ...(await gitHub.emit(TARGET, 'pull_request', {
        ...merged,
        pull_request: { ...merged.pull_request, merged: true },
      })),
    ];
    expect(missed.map(({ code }) => code)).toEqual([0, 0]);
    platform = await up(dataDir);
    kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
    for (const { guid } of missed)
      await expect
        .poll(() => trace(guid), WAIT)
        .toMatch(/source GitHubSource\/default\/repository fetched it and handed it to http/);
    // The gateway has another port now: the webhook was changed in its place.
    expect(hooks()).toMatchObject([
      { id, config: { url: expect.stringContaining(runFileOf(dataDir).endpoints.gateway) } },
    ]);
    for (const { guid } of missed) expect((await trace(guid)).match(/accepted by/g)).toHaveLength(1);
    const [live] = await gitHub.emit(TARGET, 'push', push);
    expect(live?.code).toBe(202);
  });

  it('says in plain words that its token is refused, and goes on with a new one', async () => {
    gitHub.token = 'github_pat_rotated';
    const set = (key: string, value: string): Promise<unknown> =>
      kubectl([
        'patch',
        'secret',
        'github',
        '--type=merge',
        '-p',
        JSON.stringify({ data: { [key]: base64(value) } }),
      ]);
    await set('accessToken', 'github_pat_wrong');
    await expect
      .poll(() => conditions('repository'), WAIT)
      .toMatch(/does not know the access token.*TokenRefused/);
    expect(await conditions('repository')).not.toContain('github_pat');
    await set('accessToken', 'github_pat_rotated');
    await ready('githubsource/repository');

    await set('secretToken', 'another long random text');
    await expect.poll(() => hookOf()?.config.secret, WAIT).toBe('another long random text');
    const [delivery] = await gitHub.emit(TARGET, 'push', push);
    expect(delivery?.code).toBe(202);
  });

  it('has its events forwarded to a machine that GitHub cannot reach, and leaves no webhook', async () => {
    const byHand = source('laptop', gitHub.url, false);
    expect(await kubectl(['apply'], byHand)).toMatchObject({ code: 0 });
    await ready('githubsource/laptop');
    expect(await conditions('laptop')).toContain('Payload URL');
    expect(hooks()).toHaveLength(1);
    const args = ['github', 'forward', '--source', 'laptop', '--repo', TARGET, '--every', '1'];
    const forward = new Running([...args, '--data-dir', dataDir], { GH_TOKEN: gitHub.token });
    try {
      await expect
        .poll(() => forward.stderr, WAIT)
        .toMatch(/forwarding webhook \d+ of Codertocat\/Hello-World/);
      expect(hooks()[1]?.config.url).toMatch(/^https:\/\/[0-9a-f]{16}\.millrace-forward\.invalid\/$/);
      const [, forwarded] = await gitHub.emit(TARGET, 'push', push);
      expect(forwarded?.code).toBe(0);
      await forward.printed(new RegExp(`^${forwarded?.guid} push 202 accepted$`, 'm'));
      await expect
        .poll(() => trace(forwarded?.guid ?? ''), WAIT)
        .toContain('GitHubSource/default/laptop handed it');
    } finally {
      expect({ ended: await forward.stop('SIGINT'), stderr: forward.stderr }).toMatchObject({ ended: 0 });
    }
    expect(hooks()).toHaveLength(1);
  });

  it('removes its webhook when it is deleted, and stays while GitHub does not do it', async () => {
    gitHub.rights = 'read';
    await kubectl(['delete', 'githubsource', 'repository', '--wait=false']);
    await expect
      .poll(() => conditions('repository'), WAIT)
      .toMatch(/Webhooks: read and write.*take accessToken out of the spec.*DeletionDelayed/);
    gitHub.rights = 'write';
    const gone = await kubectl(['wait', '--for=delete', '--timeout=30s', 'githubsource/repository']);
    expect(gone).toMatchObject({ code: 0 });
    expect(hooks()).toEqual([]);
  });
});
