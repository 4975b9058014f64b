import { existsSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { Load } from '../kit/load.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const DEADLINE = { timeout: 20_000 };

const root = temporaryFolder('traffic');
const dataDir = join(root, 'data');
const code = folderWith('text', {
  'index.js': `const { existsSync, writeFileSync } = require('node:fs');
exports.handle = async ({ headers, query }) => {
  if (query.call) return (await fetch('http://' + query.call)).text();
  if (query.until) writeFileSync(query.until + '.begun', '');
  while (query.until && !existsSync(query.until)) await new Promise((resolve) => setTimeout(resolve, 10));
  return headers['knative-serving-default-route'] ? process.env.TEXT + ' by default' : process.env.TEXT;
};\n`,
});

type Parts = {
  readonly name?: string;
  readonly metadata?: string;
  readonly revision?: string;
  readonly traffic?: string;
};

const template = (text: string, revision = ''): string => `
  template:
    metadata: {${revision === '' ? '' : `name: ${revision}`}}
    spec: {containers: [{image: text, env: [{name: TEXT, value: ${text}}]}]}`;
const service = (text: string, { name = 'a', metadata = '', revision, traffic }: Parts = {}): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}${metadata}}
spec:${template(text, revision)}${traffic === undefined ? '' : `\n  traffic: ${traffic}`}
`;

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  expect(await millrace(['push', 'text', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
});
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: expect.any(String) });
  return stdout;
}
const ready = (what: string): Promise<string> => ok(['wait', '--for=condition=Ready', '--timeout=60s', what]);
async function deploy(manifest: string, what = 'ksvc/a'): Promise<void> {
  await ok(['apply'], manifest);
  await ready(what);
}
const read = (what: string, path: string): Promise<string> => ok(['get', what, '-o', `jsonpath={${path}}`]);
const namesOf = async (what: string): Promise<string[]> =>
  (await ok(['get', what, '-o', 'name']))
    .trim()
    .split('\n')
    .filter((name) => name !== '');

function get(url: string, headers: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { headers: { ...headers }, agent: false }, (response) => {
      let text = `${response.statusCode} `;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text.trim()));
    });
    outgoing.on('error', reject).end();
  });
}
const ask = (name: string, { path = '/', headers = {} } = {}): Promise<string> =>
  get(`${platform.endpoints.gateway}${path}`, { ...headers, host: `${name}.default.localhost` });
/** As a program inside the cluster asks: at the listener that is not to be seen outside. */
const askInside = (host: string): Promise<string> => get(platform.endpoints.events, { host });

async function shares(host: string, count: number): Promise<Record<string, number>> {
  const load = new Load(platform.endpoints.gateway, `${host}.default.localhost`);
  await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(count);
  const { texts, failures } = await load.stop();
  expect(failures).toEqual([]);
  const all = [...texts.values()].reduce((sum, n) => sum + n, 0);
  return Object.fromEntries([...texts].map(([text, n]) => [text, Math.round((n / all) * 100)]));
}

describe('a Service by kubectl', { timeout: 90_000 }, () => {
  it('is created, updated with a new revision, and listed (TestServiceCreateAndUpdate)', async () => {
    await deploy(service('one'));
    expect(await ask('a')).toBe('200 one');
    await deploy(service('two'));
    expect(await ask('a')).toBe('200 two');
    expect(await namesOf('revisions')).toEqual([
      'revision.serving.knative.dev/a-00001',
      'revision.serving.knative.dev/a-00002',
    ]);
    expect(await namesOf('ksvc')).toEqual(['service.serving.knative.dev/a']);
    const events = await ok(['get', 'events', '-o', 'jsonpath={.items[*].message}']);
    for (const told of [
      'Created Configuration "a"',
      'Created Route "a"',
      'Created Revision "a-00002"',
      'Created Ingress "a"',
      'Created placeholder service "a"',
      'Configuration becomes ready',
      'LatestReadyRevisionName updated to "a-00002"',
    ])
      expect(events).toContain(told);
  });

  it('makes no revision of a change that is not one of its template (TestUpdateConfigurationMetadata)', async () => {
    await ok(['label', 'ksvc', 'a', 'team=red']);
    await ok(['annotate', 'ksvc', 'a', 'note=n']);
    for (const kind of ['configuration', 'route']) {
      await expect.poll(() => read(`${kind}/a`, '.metadata.labels.team'), DEADLINE).toBe('red');
      await expect.poll(() => read(`${kind}/a`, '.metadata.annotations.note'), DEADLINE).toBe('n');
    }
    await ready('ksvc/a');
    expect(await read('ksvc/a', '.status.latestCreatedRevisionName')).toBe('a-00002');
  });

  it('splits its traffic for each request by itself, and pins (TestServiceWithTrafficSplit)', async () => {
    const traffic = `
  - {revisionName: a-00001, percent: 30, tag: old}
  - {latestRevision: true, percent: 70}
  - {revisionName: a-00002, percent: 0, tag: current}`;
    await deploy(service('two', { traffic }));
    const { one = 0, two = 0 } = await shares('a', 500);
    expect(one).toBeGreaterThan(20);
    expect(one).toBeLessThan(40);
    expect(one + two).toBe(100);
    expect([await ask('old-a'), await ask('current-a')]).toEqual(['200 one', '200 two']);
    expect(await read('ksvc/a', '.status.traffic[0].url')).toMatch(
      /^http:\/\/old-a\.default\.localhost:\d+$/,
    );
    const pinned = '[{revisionName: a-00001, latestRevision: false, percent: 100}]';
    await deploy(service('three', { traffic: pinned }));
    expect(await read('ksvc/a', '.status.latestReadyRevisionName')).toBe('a-00003');
    expect(await ask('a')).toBe('200 one');
    expect(await ask('old-a')).toMatch(/^404 /);
  });

  it('leads to a tag by a header once config-features says so (TestTagHeaderBasedRouting)', async () => {
    const traffic = '[{revisionName: a-00001, percent: 100}, {revisionName: a-00002, percent: 0, tag: two}]';
    await deploy(service('three', { traffic }));
    const tagged = (tag: string): Promise<string> => ask('a', { headers: { 'Knative-Serving-Tag': tag } });
    expect(await tagged('two')).toBe('200 one');
    const flag = (value: string): Promise<string> =>
      ok([
        'patch',
        'cm',
        'config-features',
        '-n',
        'knative-serving',
        '--type=merge',
        '-p',
        `{"data":{"tag-header-based-routing":"${value}"}}`,
      ]);
    await flag('enabled');
    await expect.poll(() => tagged('two'), DEADLINE).toBe('200 two');
    expect([await tagged('none'), await ask('a')]).toEqual(['200 one by default', '200 one by default']);
    await flag('disabled');
    await expect.poll(() => ask('a'), DEADLINE).toBe('200 one');
  });

  it('is called by others by its names inside, and by those of its tags (TestServiceToServiceCall, TestSubrouteLocalSTS)', async () => {
    await deploy(service('caller', { name: 'caller' }), 'ksvc/caller');
    const call = (host: string): Promise<string> => ask('caller', { path: `/?call=${host}` });
    for (const host of ['a.default', 'a.default.svc', 'a.default.svc.cluster.local'])
      expect(await askInside(host)).toBe('200 one');
    expect(await call('a.default.svc.cluster.local')).toBe('200 one');
    expect(await call('two-a.default.svc.cluster.local')).toBe('200 two');
    await ok(['label', 'svc', 'two-a', 'networking.knative.dev/visibility=cluster-local']);
    await expect.poll(() => ask('two-a'), DEADLINE).toMatch(/^404 /);
    expect(await call('two-a.default.svc.cluster.local')).toBe('200 two');
    await ok(['label', 'ksvc', 'a', 'networking.knative.dev/visibility=cluster-local']);
    await expect.poll(() => ask('a'), DEADLINE).toMatch(/^404 /);
    await expect
      .poll(() => read('ksvc/a', '.status.url'), DEADLINE)
      .toBe('http://a.default.svc.cluster.local');
    expect(await call('a.default.svc.cluster.local')).toBe('200 one');
    await ok(['label', 'ksvc', 'a', 'networking.knative.dev/visibility-']);
    await expect.poll(() => ask('a'), DEADLINE).toBe('200 one');
  });

  it('keeps its last good traffic when a new revision fails, and says why', async () => {
    await deploy(service('three'));
    await ok(['apply'], service('four').replace('image: text', 'image: nowhere'));
    await expect
      .poll(() => read('ksvc/a', '.status.conditions[?(@.type=="Ready")].reason'))
      .toBe('RevisionFailed');
    expect(await read('ksvc/a', '.status.conditions[?(@.type=="RoutesReady")].status')).toBe('True');
    expect(await ask('a')).toBe('200 three');
  });

  it('is rolled back by the name of a revision under load (TestServiceBYOName, TestRollbackBYOName)', async () => {
    await deploy(service('blue', { name: 'b', revision: 'b-blue' }), 'ksvc/b');
    const load = new Load(platform.endpoints.gateway, 'b.default.localhost');
    await deploy(service('green', { name: 'b', revision: 'b-green' }), 'ksvc/b');
    await deploy(service('blue', { name: 'b', revision: 'b-blue' }), 'ksvc/b');
    load.take();
    const before = load.count;
    await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(before + 100);
    const { texts, failures } = await load.stop();
    expect([...texts.keys()]).toEqual(['blue']);
    expect(failures).toEqual([]);
    expect(await read('ksvc/b', '.status.latestReadyRevisionName')).toBe('b-blue');
    const { stderr } = await kubectl(['apply'], service('red', { name: 'b', revision: 'b-blue' }));
    expect(stderr).toContain(
      'Saw the following changes without a name change (-old +new): spec.template.metadata.name',
    );
  });

  it('lets what it has begun end when it is deleted, and answers nothing more (TestServiceCreateListAndDelete)', async () => {
    const until = join(root, 'until');
    const begun = ask('b', { path: `/?until=${until}` });
    await expect.poll(() => existsSync(`${until}.begun`), DEADLINE).toBe(true);
    await ok(['delete', 'ksvc', 'b']);
    await expect.poll(() => ask('b'), DEADLINE).toMatch(/^404 /);
    writeFileSync(until, '');
    expect(await begun).toBe('200 blue');
    for (const kind of [
      'ksvc',
      'route',
      'configuration',
      'revision',
      'ingresses.networking.internal.knative.dev',
      'svc',
    ])
      await expect
        .poll(async () => (await namesOf(kind)).filter((name) => /\/b(-|$)/.test(name)))
        .toEqual([]);
  });

  it('has the name that the server makes for it (TestServiceGenerateName)', async () => {
    const manifest = service('generated').replace('name: a', 'generateName: made-');
    const made = (await ok(['create'], manifest)).split(' ')[0] ?? '';
    const name = made.replace(/^.*\//, '');
    expect(name).toMatch(/^made-[a-z0-9]{5}$/);
    await ready(`ksvc/${name}`);
    expect(await ask(name)).toBe('200 generated');
  });
});

describe('a bare Route and Configuration by kubectl', { timeout: 90_000 }, () => {
  const bare = (text: string, name = 'name: bare', of = 'bare'): string => `
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: {${name}}
spec:${template(text)}
---
apiVersion: serving.knative.dev/v1
kind: Route
metadata: {${name}}
spec: {traffic: [{configurationName: ${of}, percent: 100}]}
`;

  it('lead to its latest ready revision (TestRouteCreation)', async () => {
    await deploy(bare('first'), 'route/bare');
    expect(await ask('bare')).toBe('200 first');
    const uid = await read('revision/bare-00001', '.metadata.uid');
    await ok(['apply'], bare('second'));
    await expect.poll(() => ask('bare'), DEADLINE).toBe('200 second');
    expect(await read('revision/bare-00001', '.metadata.uid')).toBe(uid);
    const annotated = (name: string): Promise<string> =>
      read(`revision/${name}`, '.metadata.labels.serving\\.knative\\.dev/routingState');
    await expect.poll(() => annotated('bare-00001'), DEADLINE).toBe('reserve');
    expect(await annotated('bare-00002')).toBe('active');
  });

  it('are got and listed (TestRouteGetAndList, TestConfigurationGetAndList, TestRevisionGetAndList)', async () => {
    expect(await namesOf('routes')).toContain('route.serving.knative.dev/bare');
    expect(await namesOf('configurations')).toContain('configuration.serving.knative.dev/bare');
    expect(await namesOf('revisions')).toContain('revision.serving.knative.dev/bare-00002');
    expect(await read('route/bare', '.status.traffic[0].revisionName')).toBe('bare-00002');
    expect(await read('configuration/bare', '.status.latestReadyRevisionName')).toBe('bare-00002');
    expect(await ok(['get', 'king', 'bare'])).toMatch(/^NAME +READY +REASON\nbare +True *\n$/);
  });

  it('have the names that the server makes for them (TestRouteAndConfigGenerateName)', async () => {
    const [, configuration = ''] =
      /\/(\S+) created/.exec(await ok(['create'], bare('x', 'generateName: gen-').split('---')[0] ?? '')) ??
      [];
    expect(configuration).toMatch(/^gen-[a-z0-9]{5}$/);
    const route = bare('x', 'generateName: gen-', configuration).split('---')[1] ?? '';
    const [, name = ''] = /\/(\S+) created/.exec(await ok(['create'], route)) ?? [];
    await ready(`route/${name}`);
    expect(await ask(name)).toBe('200 x');
  });
});

describe('a gradual roll-out by kubectl', { timeout: 90_000 }, () => {
  const metadata = ', annotations: {serving.knative.dev/rollout-duration: 6s}';
  const newest = async (): Promise<number> =>
    Number(await read('ksvc/slow', '.status.traffic[1].percent').catch(() => '0'));

  it('moves its traffic step by step without a failed request, over a restart, and ends (TestGradualRollout)', async () => {
    await deploy(service('old', { name: 'slow', metadata }), 'ksvc/slow');
    await ok(['apply'], service('new', { name: 'slow', metadata }));
    const load = new Load(platform.endpoints.gateway, 'slow.default.localhost');
    await expect.poll(newest, DEADLINE).toBeGreaterThan(0);
    const reason = await read('ksvc/slow', '.status.conditions[?(@.type=="Ready")].reason');
    expect(reason).toBe('RolloutInProgress');
    expect((await load.stop()).failures).toEqual([]);
    await platform.close(0);
    platform = await openPlatform(dataDir);
    kubectl = kubectlFor(root, platform.kubeconfig);
    const after = new Load(platform.endpoints.gateway, 'slow.default.localhost');
    const begun = await newest();
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThan(100);
    await ready('ksvc/slow');
    const { texts, failures } = await after.stop();
    expect(failures).toEqual([]);
    expect([...texts.keys()].toSorted()).toEqual(['new', 'old']);
    expect(await shares('slow', 50)).toEqual({ new: 100 });
  });
});
