import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { MANIFESTS } from '../kit/legacy-objects.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('legacy');
const dataDir = join(root, 'data');
const code = folderWith('fn', { 'index.js': 'exports.handle = () => undefined;\n' });
/** What the manifests speak of and do not bring. The Secret has no access token: no webhook is to be made at GitHub. */
const AROUND = `
apiVersion: v1
kind: Secret
metadata: {name: githubsecret}
stringData: {githubCredentials: '{"secretToken": "hidden"}'}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: fn}
spec: {template: {spec: {containers: [{image: fn}]}}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: git-webhook}
spec: {template: {spec: {containers: [{image: fn}]}}}
`;
const APPLIED = [
  'feed.feeds.knative.dev/gh',
  'flow.flows.knative.dev/k8s',
  'channel.channels.knative.dev/aloha',
  'subscription.channels.knative.dev/aloha-fn',
  'channel.eventing.knative.dev/testchannel',
  'subscription.eventing.knative.dev/sub',
];

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  expect(await millrace(['push', 'fn', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
}, 30_000);
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: '' });
  return stdout;
}
const get = (...args: readonly string[]): Promise<string> => ok(['get', ...args]);
const names = (text: string): string[] => text.trim().split('\n').toSorted();

describe('the eventing manifests of 2018', { timeout: 60_000 }, () => {
  it('apply without a warning, and become ready once what they speak of is there', async () => {
    const applied = await ok(['apply'], MANIFESTS);
    expect(applied.trim().split('\n')).toEqual(APPLIED.map((name) => `${name} created`));
    await ok(['apply'], AROUND);
    await ok(['wait', '--for=condition=Ready', '--timeout=20s', ...APPLIED]);
    expect((await ok(['apply'], MANIFESTS)).trim().split('\n')).toEqual(
      APPLIED.map((name) => `${name} unchanged`),
    );
  });

  it('are shown with what they became', async () => {
    const owners =
      '-o=custom-columns=A:.metadata.name,B:.metadata.ownerReferences[*].apiVersion,C:.metadata.ownerReferences[*].kind';
    const rows = async (plural: string): Promise<string[][]> =>
      names(await get(plural, owners, '--no-headers')).map((row) => row.split(/\s+/));
    expect(await rows('channels')).toEqual([
      ['aloha', 'channels.knative.dev/v1alpha1', 'Channel'],
      ['k8s', 'channels.knative.dev/v1alpha1', 'Channel'],
      ['testchannel', 'eventing.knative.dev/v1alpha1', 'Channel'],
    ]);
    expect(await rows('subscriptions')).toEqual([
      ['aloha-fn', 'channels.knative.dev/v1alpha1', 'Subscription'],
      ['k8s', 'channels.knative.dev/v1alpha1', 'Subscription'],
      ['sub', 'eventing.knative.dev/v1alpha1', 'Subscription'],
    ]);
    expect(await rows('githubsources')).toEqual([['gh', 'feeds.knative.dev/v1alpha1', 'Feed']]);
    expect(await rows('feeds')).toEqual([
      ['gh', '<none>', '<none>'],
      ['k8s', 'flows.knative.dev/v1alpha1', 'Flow'],
    ]);
  });

  it('follow what they refer to, when that comes or changes later', async () => {
    const later = `apiVersion: channels.knative.dev/v1alpha1\nkind: Channel\nmetadata: {name: later}\nspec: {bus: later}\n`;
    await ok(['apply'], later);
    await ok(['wait', '--for=condition=Ready=false', '--timeout=10s', 'channels.channels.knative.dev/later']);
    const bus = `apiVersion: channels.knative.dev/v1alpha1\nkind: Bus\nmetadata: {name: later}\nspec: {}\n`;
    await ok(['apply'], bus);
    await ok(['wait', '--for=condition=Ready', '--timeout=10s', 'channels.channels.knative.dev/later']);
    await ok(['delete', 'buses/later', 'channels.channels.knative.dev/later']);
    const token = (): Promise<string> => get('secret/gh-credentials', '-o=jsonpath={.data.secretToken}');
    const patch = JSON.stringify({ stringData: { githubCredentials: '{"secretToken": "other"}' } });
    await ok(['patch', 'secret/githubsecret', '--type=merge', '-p', patch]);
    await expect.poll(token, { timeout: 10_000 }).toBe(Buffer.from('other').toString('base64'));
    await ok(['delete', 'secret/gh-credentials']);
    await ok(['wait', '--for=create', '--timeout=10s', 'secret/gh-credentials']);
  });

  it('answer at the addresses that their status tells', async () => {
    const status = await get(
      'channels.channels.knative.dev/aloha',
      '-o=jsonpath={.status.domainInternal} {.status.address.url}',
    );
    const [host = '', url = ''] = status.split(' ');
    expect(host).toBe('aloha-channel.default.svc.cluster.local');
    const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };
    expect((await fetch(url, { method: 'POST', headers })).status).toBe(202);
  });
});

it('the guide’s example is taken as it stands', async () => {
  const guide = readFileSync(new URL('../../docs/guides/eventing-of-2018.md', import.meta.url), 'utf8');
  const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(guide) ?? [];
  const taken = names(await ok(['apply', '--dry-run=server'], yaml));
  expect(taken).toHaveLength(4);
  for (const line of taken) expect(line).toMatch(/(?:created|configured) \(server dry run\)$/);
});

describe('a plural that several groups have', { timeout: 60_000 }, () => {
  it.each([
    ['channels', 'messaging.knative.dev'],
    ['channel', 'messaging.knative.dev'],
    ['subscriptions', 'messaging.knative.dev'],
    ['githubsources', 'sources.knative.dev'],
  ])('%s is that of %s', async (plural, group) => {
    for (const name of names(await get(plural, '-o=name'))) expect(name).toMatch(new RegExp(`\\.${group}/`));
    expect(await get(plural, '-o=jsonpath={.items[*].apiVersion}')).toContain(`${group}/`);
  });

  it.each([
    ['channels', 'messaging.knative.dev'],
    ['subscriptions', 'messaging.knative.dev'],
    ['githubsources', 'sources.knative.dev'],
    ['eventtypes', 'eventing.knative.dev'],
  ])('kubectl explains %s as those of %s', async (plural, group) => {
    expect(await ok(['explain', plural])).toMatch(new RegExp(`^GROUP: +${group}$`, 'm'));
  });

  it('services are those of Kubernetes', async () => {
    expect(await get('services', '-o=jsonpath={.items[?(@.apiVersion!="v1")].apiVersion}')).toBe('');
    expect(await get('services.serving.knative.dev', '-o=name')).toContain('service.serving.knative.dev/fn');
  });

  it.each([
    'channels.channels.knative.dev',
    'channels.eventing.knative.dev',
    'subscriptions.channels.knative.dev',
    'subscriptions.eventing.knative.dev',
    'githubsources.sources.eventing.knative.dev',
    'eventtypes.feeds.knative.dev',
  ])('the others go by their full name: %s', async (name) => {
    expect(await kubectl(['get', name])).toMatchObject({ code: 0 });
  });

  it('no short name of today has a second meaning, of which kubectl would warn', async () => {
    const text = await ok(['api-resources', '--no-headers']);
    const short = text.split('\n').flatMap((line) => {
      const [, second = '', third = ''] = line.split(/\s{2,}/);
      return third.includes('/') || third === 'v1' ? second.split(',') : [];
    });
    expect(short.toSorted().filter((name, i, all) => all.indexOf(name) !== i)).toEqual([]);
    await get('sub,ch,chan,ccp,ksvc,svc');
  });
});

describe('what kubectl shows of 2018', { timeout: 60_000 }, () => {
  it('is the age of the kinds of July, and the conditions of those of 0.2', async () => {
    expect(await get('feeds', 'gh')).toMatch(/^NAME +AGE\ngh +\d+s\n$/);
    expect(await get('channels.eventing.knative.dev')).toMatch(
      /^NAME +READY +REASON +AGE\ntestchannel +True +\d+s\n$/,
    );
    expect(await ok(['explain', 'feed.spec.trigger.eventType'])).toContain('GROUP:      feeds.knative.dev');
  });

  it('is a refusal in the words of then', async () => {
    const bad = `apiVersion: channels.knative.dev/v1alpha1\nkind: Channel\nmetadata: {name: bad}\nspec: {}\n`;
    const { code: exit, stderr } = await kubectl(['apply'], bad);
    expect(exit).toBe(1);
    expect(stderr).toContain('expected exactly one, got neither: spec.bus, spec.clusterBus');
  });
});

describe('deleting what was made in 2018', { timeout: 60_000 }, () => {
  it('deletes what it became', async () => {
    await ok([
      'delete',
      'feed/gh',
      'channels.channels.knative.dev/aloha',
      'subscriptions.eventing.knative.dev/sub',
      'flow/k8s',
    ]);
    await expect.poll(() => get('githubsources', '-o=name'), { timeout: 10_000 }).toBe('');
    await expect.poll(() => get('secrets', '-o=name')).toBe('secret/githubsecret\n');
    const left = async (): Promise<string[]> => names(await get('channels,subscriptions,feeds', '-o=name'));
    await expect
      .poll(left, { timeout: 10_000 })
      .toEqual(['channel.messaging.knative.dev/testchannel', 'subscription.messaging.knative.dev/aloha-fn']);
  });

  it('waits with an EventType for the Feeds that use it', async () => {
    const type = `apiVersion: feeds.knative.dev/v1alpha1\nkind: EventType\nmetadata: {name: pullrequest}\nspec: {eventSource: github}\n`;
    await ok(['apply'], type);
    await ok(['apply'], MANIFESTS);
    await ok(['wait', '--for=condition=InUse', '--timeout=10s', 'eventtypes.feeds.knative.dev/pullrequest']);
    await ok(['delete', '--wait=false', 'eventtypes.feeds.knative.dev/pullrequest']);
    const said = (): Promise<string> =>
      get(
        'eventtypes.feeds.knative.dev/pullrequest',
        '-o=jsonpath={.status.conditions[?(@.type=="Complete")].message}',
      );
    await expect.poll(said, { timeout: 10_000 }).toBe('Still in use by the Feeds: gh');
    await ok(['delete', 'feed/gh']);
    await ok(['wait', '--for=delete', '--timeout=10s', 'eventtypes.feeds.knative.dev/pullrequest']);
  });
});
