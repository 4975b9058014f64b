import { beforeEach, describe, expect, it } from 'vitest';
import { EVENT_SOURCE } from '../../src/apis/legacy/feeds/event-source.ts';
import { CLUSTER_EVENT_TYPE, EVENT_TYPE } from '../../src/apis/legacy/feeds/event-type.ts';
import { FEED } from '../../src/apis/legacy/feeds/feed.ts';
import { originNamed } from '../../src/legacy/feed-origin.ts';
import { feedReconciler } from '../../src/legacy/feed-reconciler.ts';
import { GITHUB_SOURCE, gitHubEvent, sourceOfFeed } from '../../src/legacy/feed-sources.ts';
import type { Feed } from '../../src/apis/legacy/feeds/feed.ts';
import {
  aClusterObject,
  aGitHubSecret,
  anObject,
  aService,
  CREDENTIALS,
  failing,
  GITHUB_TRIGGER,
  READY,
} from '../kit/legacy-objects.ts';
import { conditionIn, World, type Stated } from '../kit/world.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SERVICE = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' };

let world: World;
beforeEach(async () => {
  world = await World.open();
  await world.apply(aService('git-webhook'));
});
const pass = () => world.pass(feedReconciler(world.controller), 'gh');
const feed = (
  trigger: object = GITHUB_TRIGGER,
  action: object = { dnsName: 'git-webhook' },
): Promise<Stated> => world.apply(anObject(FEED, 'gh', { action, trigger }));
const source = async (): Promise<Record<string, unknown>> =>
  Reflect.get(await world.get(GITHUB_SOURCE, 'gh'), 'spec') as Record<string, unknown>;
const condition = async (type: string): Promise<unknown> => conditionIn(await world.get(FEED, 'gh'), type);
const secretKey = (key: string): object => ({ secretKeyRef: { name: 'gh-credentials', key } });

describe('a Feed of GitHub', () => {
  it('becomes a GitHubSource to the same target', async () => {
    await world.apply(aGitHubSecret());
    const { metadata } = await feed(GITHUB_TRIGGER, { dnsName: 'git-webhook.default.example.com' });
    await pass();
    expect(await source()).toEqual({
      ownerAndRepository: 'owner/repo',
      eventTypes: ['pull_request'],
      accessToken: secretKey('accessToken'),
      secretToken: secretKey('secretToken'),
      sink: { ref: { ...SERVICE, name: 'git-webhook', namespace: 'default' } },
    });
    const made = await world.get(GITHUB_SOURCE, 'gh');
    expect(made.metadata.ownerReferences).toMatchObject([{ ...FEED, uid: metadata.uid }]);
    // The source takes its webhook away with the credentials, so they go after it.
    expect((await world.get(SECRET, 'gh-credentials')).metadata.ownerReferences).toMatchObject([
      { ...GITHUB_SOURCE, uid: made.metadata.uid },
    ]);
    const before = world.version;
    await pass();
    expect(world.version).toBe(before);
  });

  it('hands the credentials on from Secret to Secret, and again when they are changed', async () => {
    await world.apply(aGitHubSecret());
    await feed();
    await pass();
    const read = async (): Promise<unknown> => {
      const entries = Object.entries(
        (await world.get(SECRET, 'gh-credentials'))['data'] as Record<string, string>,
      );
      return Object.fromEntries(
        entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
      );
    };
    expect(await read()).toEqual(CREDENTIALS);
    await world.apply(aGitHubSecret('{"secretToken": "new"}'));
    await pass();
    expect(await read()).toEqual({ secretToken: 'new' });
    expect(await source()).not.toHaveProperty('accessToken');
    const told = JSON.stringify([await world.get(FEED, 'gh'), await world.get(GITHUB_SOURCE, 'gh')]);
    for (const secret of [...Object.values(CREDENTIALS), '"new"']) expect(told).not.toContain(secret);
  });

  it.each([
    ['no Secret', undefined, 'SecretNotFound', 'Secret default/githubsecret is not there'],
    [
      'no JSON',
      'hidden{',
      'SecretUnreadable',
      'Secret default/githubsecret: the value of githubCredentials is no JSON object',
    ],
    [
      'no secretToken',
      '{"accessToken":"hidden"}',
      'SecretTokenMissing',
      'the parameters have no secretToken: parametersFrom has to name a Secret whose value is {"accessToken": …, "secretToken": …}',
    ],
  ])('with %s says so, shows nothing of it, and makes no source', async (_, value, reason, message) => {
    if (value !== undefined) await world.apply(aGitHubSecret(value));
    await feed();
    await pass();
    const expected = { status: 'False', reason, message };
    expect([await condition('DependenciesSatisfied'), await condition('Ready')]).toEqual([
      expected,
      expected,
    ]);
    await expect(source()).rejects.toThrow('no GitHubSource');
  });

  it('is ready when its source is, in the words of its job, and else says what that one says', async () => {
    await world.apply(aGitHubSecret());
    await feed();
    await pass();
    await world.state(GITHUB_SOURCE, 'gh', failing('SinkMissing', 'there is no sink') as never);
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'False',
      reason: 'SinkMissing',
      message: 'GitHubSource default/gh: there is no sink',
    });
    await world.state(GITHUB_SOURCE, 'gh', { ...READY, webhookIDKey: '42' });
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'True',
      reason: 'FeedSuccess',
      message: 'GitHubSource default/gh is ready',
    });
    expect((await world.get(FEED, 'gh')).status).toMatchObject({
      feedContext: { source: { ...GITHUB_SOURCE, name: 'gh' }, id: '42' },
    });
  });

  it('says in the words of the refusal that GitHub has no such repository name', async () => {
    await world.apply(aGitHubSecret());
    await feed({ ...GITHUB_TRIGGER, resource: 'https://github.com/owner/repo' });
    await pass();
    expect(await condition('Ready')).toMatchObject({
      status: 'False',
      reason: 'TranslationRefused',
      message: expect.stringContaining('spec.ownerAndRepository'),
    });
  });

  it.each([
    [{ routeName: 'fn' }, { apiVersion: 'serving.knative.dev/v1', kind: 'Route', name: 'fn' }],
    [{ channelName: 'aloha' }, { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'aloha' }],
  ])('takes the target of the first samples: %j', async (action, ref) => {
    await world.apply(aGitHubSecret());
    await feed(GITHUB_TRIGGER, action);
    await pass();
    expect(await source()).toMatchObject({ sink: { ref } });
  });

  it.each([
    ['pullrequest', 'pull_request'],
    ['dev.knative.github.pullrequest', 'pull_request'],
    ['dev.knative.github.issuecomment', 'issue_comment'],
    ['push', 'push'],
    ['dev.knative.source.github.check_suite', 'check_suite'],
    ['news', 'news'],
  ])('of the type %s takes what GitHub calls %s', (type, event) => {
    expect(gitHubEvent(type)).toBe(event);
  });
});

describe('what a Feed is of', () => {
  it.each([
    ['github', 'github'],
    ['dev.knative.github.pullrequest', 'github'],
    ['k8sevents', 'k8sevents'],
    ['dev.knative.k8s.event', 'k8sevents'],
    ['pubsub.googleapis.com', 'gcppubsub'],
    ['google.pubsub.topic.publish', 'gcppubsub'],
    ['slack', undefined],
  ])('is known by the name %s: %s', (name, origin) => {
    expect(originNamed(name)).toBe(origin);
  });

  it('is said by its EventType and that one’s EventSource, when they are there', async () => {
    await world.apply(aGitHubSecret());
    const trigger = { ...GITHUB_TRIGGER, eventType: 'push', service: '' };
    await feed(trigger);
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'False',
      reason: 'EventTypeDoesNotExist',
      message:
        'EventType default/push is not there; only those of github, k8sevents and gcppubsub need no object',
    });
    await world.apply(anObject(EVENT_TYPE, 'push', { eventSource: 'our-git' }));
    await pass();
    expect(await condition('Ready')).toMatchObject({ reason: 'EventSourceDoesNotExist' });
    await world.apply(anObject(EVENT_SOURCE, 'our-git', { source: 'acme', image: 'acme/feedlet' }));
    await pass();
    expect(await condition('Ready')).toMatchObject({ reason: 'FeedletsNotRun' });
    await world.apply(anObject(EVENT_SOURCE, 'our-git', { source: 'github' }));
    await pass();
    expect(await source()).toMatchObject({ eventTypes: ['push'] });
  });

  it('may be said by a ClusterEventType', async () => {
    await world.apply(aGitHubSecret());
    await world.apply(aClusterObject(CLUSTER_EVENT_TYPE, 'push', { clusterEventSource: 'github' }));
    const { eventType: _type, service: _service, ...trigger } = GITHUB_TRIGGER;
    await feed({ ...trigger, clusterEventType: 'push' });
    await pass();
    expect(await source()).toMatchObject({ eventTypes: ['push'] });
  });
});

describe('a Feed of another system', () => {
  const sink = { ref: { ...SERVICE, name: 'fn', namespace: 'default' } };
  const aFeed = (trigger: object): Feed => anObject(FEED, 'gh', { trigger }) as Feed;

  it('of Kubernetes becomes a KubernetesEventSource of the namespace in its parameters, or its own', () => {
    const trigger = { eventType: 'dev.knative.k8s.event', resource: 'k8sevents/receiveevent' };
    const made = (values: Record<string, unknown>): unknown =>
      sourceOfFeed(aFeed(trigger), 'k8sevents', values, sink);
    expect(made({ namespace: 'shop' })).toMatchObject({
      source: {
        apiVersion: 'sources.eventing.knative.dev/v1alpha1',
        kind: 'KubernetesEventSource',
        metadata: { name: 'gh', namespace: 'default' },
        spec: { namespace: 'shop', sink: sink.ref },
      },
    });
    expect(made({})).toMatchObject({ source: { spec: { namespace: 'default' } } });
  });

  it('of Kubernetes goes to no URL, and says what does', () => {
    const made = sourceOfFeed(aFeed({}), 'k8sevents', {}, { uri: 'http://hooks.acme.io/' });
    expect(made).toMatchObject({ kind: 'missing', reason: 'SinkNotSupported' });
    expect(made).toMatchObject({ message: expect.stringContaining('ApiServerSource') });
  });

  it.each([
    ['its resource', 'projects/p/topics/t', {}],
    ['its parameters', 'pubsub', { projectID: 'p', topic: 't' }],
  ])('of Pub/Sub becomes a CloudPubSubSource of the topic in %s', (_, resource, values) => {
    const trigger = { eventType: 'google.pubsub.topic.publish', resource };
    expect(sourceOfFeed(aFeed(trigger), 'gcppubsub', values, sink)).toMatchObject({
      source: {
        apiVersion: 'events.cloud.google.com/v1',
        kind: 'CloudPubSubSource',
        spec: { project: 'p', topic: 't', sink },
      },
    });
  });

  it('of Pub/Sub without a topic says how one is named', () => {
    expect(sourceOfFeed(aFeed({ resource: 'orders' }), 'gcppubsub', {}, sink)).toEqual({
      kind: 'missing',
      reason: 'TopicUnknown',
      message:
        'resource: expected projects/PROJECT/topics/TOPIC, or the parameters projectID and topic; got "orders"',
    });
  });
});

it('a Feed whose trigger changes leaves nothing behind of what it was before', async () => {
  await world.apply(aGitHubSecret());
  await feed();
  await pass();
  await pass();
  await feed({ eventType: 'google.pubsub.topic.publish', resource: 'projects/p/topics/t' });
  await pass();
  await expect(source()).rejects.toThrow('no GitHubSource');
});
