import { spawn } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('knative');
const dataDir = join(root, 'data');
const code = folderWith('hello', {
  'index.js': "exports.handle = () => { console.log('asked'); return `hello ${process.env.WHO}`; };\n",
});
const service = (name: string, who: string, image = 'hello', window = '6s'): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/window: ${window}}}
    spec:
      containers: [{image: ${image}, env: [{name: WHO, value: ${who}}]}]
`;
const EVENTING = `
apiVersion: v1
kind: Secret
metadata: {name: webhook}
stringData: {token: hidden}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: orders}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: to-hello}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: hello}}
---
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: repo}
spec:
  ownerAndRepository: me/mine
  eventTypes: [push]
  secretToken: {secretKeyRef: {name: webhook, key: token}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}}
`;

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
});
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: expect.any(String) });
  return stdout;
}
const get = (...args: readonly string[]): Promise<string> => ok(['get', ...args]);
const ready = (what: string): Promise<string> => ok(['wait', '--for=condition=Ready', '--timeout=15s', what]);

/** Asks a service by its public name. */
function ask(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { headers: { host: `${name}.default.localhost` }, agent: false };
    const outgoing = httpRequest(`${platform.endpoints.gateway}/`, options, (response) => {
      let text = `${response.statusCode} `;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    });
    outgoing.on('error', reject).end();
  });
}

/** The cells of a table, its columns divided by at least two blanks, with `-` for an age. */
function cells(table: string): string[][] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .trimEnd()
        .split(/ {2,}/)
        .map((cell) => cell.replace(/^\d+m?s?\d*s$/, '-')),
    );
}
const podsOf = (name: string): Promise<string> =>
  get('pods', '-l', `serving.knative.dev/service=${name}`, '-o', 'name');

/** In the order in which a user would: each step stands on those before it. */
describe('kubectl on Knative objects', { timeout: 60_000 }, () => {
  it('gets the tables of serving as Knative prints them', async () => {
    expect(await millrace(['push', 'hello', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
    expect(await ok(['apply'], service('hello', 'one'))).toBe('service.serving.knative.dev/hello created\n');
    await ready('ksvc/hello');
    const url = `http://hello.default.localhost:${new URL(platform.endpoints.gateway).port}`;
    expect(cells(await get('ksvc'))).toEqual([
      ['NAME', 'URL', 'LATESTCREATED', 'LATESTREADY', 'READY', 'REASON'],
      ['hello', url, 'hello-00001', 'hello-00001', 'True'],
    ]);
    expect(cells(await get('rt'))).toEqual([
      ['NAME', 'URL', 'READY', 'REASON'],
      ['hello', url, 'True'],
    ]);
    expect(cells(await get('cfg'))).toEqual([
      ['NAME', 'LATESTCREATED', 'LATESTREADY', 'READY', 'REASON'],
      ['hello', 'hello-00001', 'hello-00001', 'True'],
    ]);
    expect(await ask('hello')).toBe('200 hello one');
    await expect
      .poll(async () => cells(await get('rev')), { timeout: 5000 })
      .toEqual([
        ['NAME', 'CONFIG NAME', 'GENERATION', 'READY', 'REASON', 'ACTUAL REPLICAS', 'DESIRED REPLICAS'],
        ['hello-00001', 'hello', '1', 'True', '1', '1'],
      ]);
  });

  it('gets the tables of eventing as Knative prints them', async () => {
    await ok(['apply'], EVENTING);
    for (const what of ['ch/orders', 'sub/to-hello', 'githubsource/repo']) await ready(what);
    const url = `${platform.endpoints.events}/channels/default/orders`;
    expect(cells(await get('ch'))).toEqual([
      ['NAME', 'URL', 'AGE', 'READY', 'REASON'],
      ['orders', url, '-', 'True'],
    ]);
    expect(cells(await get('sub'))).toEqual([
      ['NAME', 'AGE', 'READY', 'REASON'],
      ['to-hello', '-', 'True'],
    ]);
    expect(cells(await get('githubsource'))).toEqual([
      ['NAME', 'READY', 'REASON', 'SINK', 'AGE'],
      ['repo', 'True', url, '-'],
    ]);
  });

  it('describes conditions, and explains the schema', async () => {
    const described = await ok(['describe', 'ksvc', 'hello']);
    for (const type of ['ConfigurationsReady', 'Ready', 'RoutesReady'])
      expect(described).toMatch(new RegExp(`Status: +True\n +Type: +${type}\n`));
    expect(described).toMatch(/Latest Ready Revision Name: +hello-00001/);
    const explained = await ok(['explain', 'ksvc.spec.template']);
    expect(explained).toMatch(/^GROUP: +serving\.knative\.dev\nKIND: +Service\nVERSION: +v1\n/);
    expect(explained).toMatch(/FIELD: template <Object>/);
    expect(explained).toMatch(/spec\t<Object>/);
    expect(await ok(['explain', 'sub.spec.delivery.retry'])).toMatch(/FIELD: retry <integer>/);
  });

  it('shows what an instance has printed', async () => {
    const [pod = ''] = (await podsOf('hello')).split('\n');
    await expect.poll(() => ok(['logs', pod]), { timeout: 5000 }).toContain('asked\n');
    expect(await ok(['logs', pod, '-c', 'user-container', '--tail', '1'])).toBe('asked\n');
  });

  it('replaces an instance whose Pod is deleted', async () => {
    const before = await podsOf('hello');
    await ok(['delete', before.trim(), '--wait=false']);
    expect(await ask('hello')).toBe('200 hello one');
    await expect
      .poll(() => podsOf('hello'), { timeout: 10_000 })
      .toMatch(/^pod\/hello-00001-deployment-\S+\n$/);
    await expect.poll(() => podsOf('hello'), { timeout: 10_000 }).not.toBe(before);
  });

  it('rolls a changed template out, and moves the traffic once it is ready', async () => {
    expect(await ok(['apply'], service('hello', 'two'))).toBe(
      'service.serving.knative.dev/hello configured\n',
    );
    await expect.poll(() => ask('hello'), { timeout: 15_000 }).toBe('200 hello two');
    await expect
      .poll(async () => cells(await get('ksvc', 'hello'))[1]?.slice(2), { timeout: 10_000 })
      .toEqual(['hello-00002', 'hello-00002', 'True']);
    const traffic = JSON.parse(await get('rt', 'hello', '-o', 'jsonpath={.status.traffic}')) as unknown;
    expect(traffic).toEqual([{ latestRevision: true, percent: 100, revisionName: 'hello-00002' }]);
  });

  it('keeps the old traffic when the new image is unknown, and says how to push it', async () => {
    await ok(['apply'], service('hello', 'three', 'no-such-image'));
    const readyOf = (): Promise<string> =>
      get('ksvc', 'hello', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")]}');
    await expect.poll(readyOf, { timeout: 10_000 }).toContain('"status":"False"');
    expect(cells(await get('rev', 'hello-00003'))[1]).toEqual(
      expect.arrayContaining(['hello-00003', 'False', 'ContainerMissing']),
    );
    const message = await get(
      'rev',
      'hello-00003',
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Ready")].message}',
    );
    expect(message).toContain('no-such-image');
    expect(message).toContain('millrace push');
    expect(cells(await get('ksvc', 'hello'))[1]?.slice(2, 5)).toEqual([
      'hello-00003',
      'hello-00002',
      'False',
    ]);
    expect(await ask('hello')).toBe('200 hello two');
  });

  it('denies what is no valid Service or Subscription, in the words of the webhook', async () => {
    const denied = await kubectl(
      ['apply'],
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: bad}\nspec: {template: {spec: {containers: []}}}\n',
    );
    expect(denied.code).toBe(1);
    expect(denied.stderr).toContain(
      'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: missing field(s): spec.template.spec.containers',
    );
    const sub = await kubectl(
      ['apply'],
      'apiVersion: messaging.knative.dev/v1\nkind: Subscription\nmetadata: {name: bad}\nspec: {}\n',
    );
    expect(sub.code).toBe(1);
    expect(sub.stderr).toContain('denied the request: validation failed: missing field(s): spec.channel');
    expect((await kubectl(['get', 'ksvc', 'bad'])).stderr).toBe(
      'Error from server (NotFound): services.serving.knative.dev "bad" not found\n',
    );
  });

  it('watches a Pod come with the first request and go when the window ends', async () => {
    await ok(['apply'], service('napper', 'z'));
    await ready('ksvc/napper');
    await expect.poll(() => podsOf('napper'), { timeout: 20_000 }).toBe('');
    const args = ['get', 'pods', '-w', '--output-watch-events', '-l', 'serving.knative.dev/service=napper'];
    const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
    const watching = spawn('kubectl', args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    watching.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    try {
      await expect
        .poll(() => (ask('napper'), seen), { timeout: 10_000, interval: 300 })
        .toMatch(/^ADDED +napper-00001-deployment/m);
      await expect.poll(() => seen, { timeout: 20_000 }).toMatch(/^DELETED +napper-00001-deployment/m);
      expect(seen).toMatch(/^EVENT +NAME +READY +STATUS +RESTARTS +AGE\n/);
      expect(seen).toMatch(/ +2\/2 +Running | +1\/1 +Running /);
    } finally {
      watching.kill();
    }
  });

  it('deletes a Service with all that it owns', async () => {
    await ask('hello');
    expect(await ok(['delete', 'ksvc', 'hello', 'napper'])).toMatch(
      /^service\.serving\.knative\.dev "hello" deleted/,
    );
    await expect.poll(() => get('rt,cfg,rev,pods', '-o', 'name'), { timeout: 15_000 }).toBe('');
    expect(await ask('hello')).toMatch(/^404 /);
  });
});
