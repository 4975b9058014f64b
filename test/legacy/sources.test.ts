import { beforeEach, describe, expect, it } from 'vitest';
import { CONTAINER_SOURCE_THEN } from '../../src/apis/legacy/sources/container-source.ts';
import { GCP_PUBSUB_SOURCE } from '../../src/apis/legacy/sources/gcp-pubsub-source.ts';
import { GITHUB_SOURCE_THEN } from '../../src/apis/legacy/sources/github-source.ts';
import { PROVISIONED_CHANNEL } from '../../src/apis/legacy/eventing/channel.ts';
import type { Resource } from '../../src/apis/resource.ts';
import type { KindName, ResourceClient } from '../../src/control/resource-client.ts';
import { PlatformError } from '../../src/base/errors.ts';
import { GITHUB_SOURCE, PUBSUB_SOURCE } from '../../src/legacy/feed-sources.ts';
import {
  CONTAINER_SOURCE,
  containerSourceReconciler,
  gcpPubSubSourceReconciler,
  gitHubSourceReconciler,
} from '../../src/legacy/source-reconcilers.ts';
import { anObject } from '../kit/legacy-objects.ts';
import { aChannel, CHANNEL } from '../kit/messaging-objects.ts';
import { conditionIn, World } from '../kit/world.ts';

const SINK = { ...PROVISIONED_CHANNEL, name: 'testchannel' };
const SINK_NOW = { ref: { ...CHANNEL, name: 'testchannel' } };
const token = { secretKeyRef: { name: 's', key: 'k' } };
const GITHUB = { ownerAndRepository: 'o/r', eventTypes: ['push'], accessToken: token, secretToken: token };

let world: World;
beforeEach(async () => {
  world = await World.open();
  await world.apply(aChannel('testchannel'));
  await world.state(CHANNEL, 'testchannel', { address: { url: 'http://here/testchannel' } });
});

/** A client on a platform that serves one kind more; what is applied of it is kept here. */
function serving(kind: KindName): { client: ResourceClient; applied: Resource[] } {
  const applied: Resource[] = [];
  const { controller } = world;
  const isIt = (asked: KindName): boolean => asked.kind === kind.kind && asked.apiVersion === kind.apiVersion;
  const client: ResourceClient = {
    find: async (asked, space, name) => (isIt(asked) ? undefined : controller.find(asked, space, name)),
    list: (asked, space) => controller.list(asked, space),
    watch: (asked, options) => controller.watch(asked, options),
    remove: (asked, space, name) => controller.remove(asked, space, name),
    patchStatus: (object) => controller.patchStatus(object),
    apply: async (desired) => {
      if (!isIt(desired)) return controller.apply(desired);
      applied.push(desired);
      return desired;
    },
  };
  return { client, applied };
}

describe('the GitHubSource of Knative 0.2', () => {
  const pass = () => world.pass(gitHubSourceReconciler(world.controller), 'gh');

  it('becomes today’s, and mirrors its conditions and its status', async () => {
    await world.apply(anObject(GITHUB_SOURCE_THEN, 'gh', { ...GITHUB, sink: SINK }));
    await pass();
    expect(await world.get(GITHUB_SOURCE, 'gh')).toMatchObject({
      metadata: { ownerReferences: [{ ...GITHUB_SOURCE_THEN, name: 'gh' }] },
      spec: { ...GITHUB, sink: SINK_NOW },
    });
    const conditions = [
      { type: 'SecretsProvided', status: 'True' },
      { type: 'SinkProvided', status: 'True' },
      { type: 'Ready', status: 'False', reason: 'WebhookFailed', message: 'GitHub answered 404' },
    ];
    const told = { conditions, observedGeneration: 1, sinkUri: 'http://here', webhookIDKey: '7' };
    await world.state(GITHUB_SOURCE, 'gh', told);
    await pass();
    const then = await world.get(GITHUB_SOURCE_THEN, 'gh');
    expect(then.status).toMatchObject({ sinkUri: 'http://here', webhookIDKey: '7' });
    expect(['SecretsProvided', 'SinkProvided'].map((type) => conditionIn(then, type)?.status)).toEqual([
      'True',
      'True',
    ]);
    expect(conditionIn(then, 'Ready')).toEqual({
      status: 'False',
      reason: 'WebhookFailed',
      message: 'GitHubSource default/gh: GitHub answered 404',
    });
  });

  it('without a sink makes nothing, and says so', async () => {
    await world.apply(anObject(GITHUB_SOURCE_THEN, 'gh', GITHUB));
    await pass();
    expect(conditionIn(await world.get(GITHUB_SOURCE_THEN, 'gh'), 'SinkProvided')).toEqual({
      status: 'False',
      reason: 'NotFound',
      message: 'spec.sink: required, and missing',
    });
    await expect(world.get(GITHUB_SOURCE, 'gh')).rejects.toThrow('no GitHubSource');
  });
});

describe('the GcpPubSubSource of Knative 0.2', () => {
  const kind = { apiVersion: 'events.cloud.google.com/v1', kind: 'CloudPubSubSource' };
  const spec = {
    googleCloudProject: 'p',
    topic: 't',
    gcpCredsSecret: { name: 'google-cloud-key', key: 'key.json' },
    sink: SINK,
  };

  it('becomes a CloudPubSubSource', async () => {
    const source = await world.apply(anObject(GCP_PUBSUB_SOURCE, 'ps', spec));
    const { client, applied } = serving(kind);
    await gcpPubSubSourceReconciler(client).reconcile(source as never);
    expect(applied).toEqual([
      expect.objectContaining({
        ...kind,
        spec: { project: 'p', topic: 't', secret: spec.gcpCredsSecret, sink: SINK_NOW },
      }),
    ]);
  });
});

describe('the ContainerSource of Knative 0.2', () => {
  const kind = { apiVersion: 'sources.knative.dev/v1', kind: 'ContainerSource' };
  const spec = { image: 'acme/clock', args: ['--every=1s'], env: [{ name: 'TZ', value: 'UTC' }], sink: SINK };
  const made = async (more: object = {}): Promise<unknown> => {
    const source = await world.apply(anObject(CONTAINER_SOURCE_THEN, 'clock', { ...spec, ...more }));
    const { client, applied } = serving(kind);
    const { marks } = await containerSourceReconciler(client).reconcile(source as never);
    return applied[0] ?? marks;
  };

  it('becomes today’s, and is told its sink by an argument, as containers were then', async () => {
    const container = { name: 'source', image: 'acme/clock', env: spec.env };
    expect(await made({ serviceAccountName: 'sa' })).toMatchObject({
      spec: {
        sink: SINK_NOW,
        template: {
          spec: {
            serviceAccountName: 'sa',
            containers: [{ ...container, args: ['--every=1s', '--sink=http://here/testchannel'] }],
          },
        },
      },
    });
  });

  it('keeps the sink that its arguments say', async () => {
    expect(await made({ args: ['--sink=http://there'] })).toMatchObject({
      spec: { template: { spec: { containers: [{ args: ['--sink=http://there'] }] } } },
    });
  });

  it('waits for the address of its sink', async () => {
    expect(await made({ sink: { ...SINK, name: 'later' } })).toContainEqual(
      expect.objectContaining({
        type: 'SinkProvided',
        status: 'False',
        message: 'Channel default/later is not found',
      }),
    );
  });
});

/** A client on a platform that does not serve a kind. */
function notServing(kind: KindName): ResourceClient {
  const { client } = serving({ apiVersion: '', kind: '' });
  return {
    ...client,
    async find(asked, space, name) {
      if (asked.kind === kind.kind && asked.apiVersion === kind.apiVersion)
        throw new PlatformError('NOTFOUND', 'no such kind', { retryable: false });
      return client.find(asked, space, name);
    },
  };
}

it.each([
  ['GcpPubSubSource', gcpPubSubSourceReconciler, GCP_PUBSUB_SOURCE, PUBSUB_SOURCE],
  ['ContainerSource', containerSourceReconciler, CONTAINER_SOURCE_THEN, CONTAINER_SOURCE],
  ['GitHubSource', gitHubSourceReconciler, GITHUB_SOURCE_THEN, GITHUB_SOURCE],
])('a %s says in plain words that the kind which it would become is not there', async (_, of, kind, now) => {
  const source = await world.apply(anObject(kind, 'x', { ...GITHUB, image: 'i', topic: 't', sink: SINK }));
  const { marks } = await of(notServing(now)).reconcile(source as never);
  expect(marks.find(({ type }) => type === 'Ready')).toMatchObject({
    status: 'False',
    reason: 'KindNotServed',
    message: `this platform has no kind ${now.kind} in ${now.apiVersion}, which it would become`,
  });
});
