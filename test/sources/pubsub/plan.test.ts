import { describe, expect, it } from 'vitest';
import { generateKeyPairSync } from 'node:crypto';
import type { CloudPubSubSource } from '../../../src/apis/sources/cloud-pubsub-source/schema.ts';
import { cloudPubSubSource } from '../../../src/sources/pubsub/cloud-pubsub-source.ts';
import { planCloudPubSubSource, subscriptionId } from '../../../src/sources/pubsub/plan.ts';
import { aCloudPubSubSource } from '../../kit/pubsub-objects.ts';

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const keyOf = (email: string): string =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'of-the-key',
    client_email: email,
    private_key: privateKey,
  });
const access = (email: string): object => ({ kind: 'key', email, privateKey });
const DEFAULT = { name: 'google-cloud-key', key: 'key.json' };

type Given = {
  readonly spec?: Partial<CloudPubSubSource['spec']>;
  readonly secrets?: Readonly<Record<string, string>>; // by namespace/name/key
  readonly config?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
};

function planned({ spec = {}, secrets = {}, config, environment = {} }: Given) {
  return planCloudPubSubSource(
    aCloudPubSubSource('orders', {
      secret: DEFAULT,
      ackDeadline: '30s',
      retentionDuration: '1h30m',
      ...spec,
    }),
    (namespace, name, key) => secrets[`${namespace}/${name}/${key}`],
    { configMap: (name) => (name === 'pubsub-channel-config' ? config : undefined) },
    environment,
  );
}

describe('the plan of a CloudPubSubSource', () => {
  it('names topic and subscription in full, and what the subscription is made with', () => {
    expect(planned({ config: { project: 'mine' }, spec: { retainAckedMessages: true } })).toEqual({
      kind: 'plan',
      plan: {
        settings: { project: 'mine', access: { kind: 'default' } },
        topic: 'projects/mine/topics/laconia',
        subscription: 'projects/mine/subscriptions/cre-src_default_orders_uid-of-orders',
        ackDeadlineS: 30,
        retentionS: 5400,
        isRetained: true,
      },
    });
  });

  it('cuts the names in the id of a subscription, never the uid', () => {
    const id = subscriptionId('n'.repeat(63), 'x'.repeat(253), 'the-uid');
    expect(id).toHaveLength(255);
    expect(id).toMatch(/^cre-src_n{63}_x+_the-uid$/);
  });

  const ours = { 'default/google-cloud-key/key.json': keyOf('source@x') };
  const shared = { 'knative-eventing/gcp/key.json': keyOf('shared@x') };
  const named = { project: 'mine', 'auth.secret.ref.name': 'gcp' };
  it.each<[string, Given, string, object]>([
    [
      "the source's project comes first",
      { spec: { project: 'own' }, config: { project: 'mine' } },
      'own',
      { kind: 'default' },
    ],
    ["the key's project comes last", { secrets: ours }, 'of-the-key', access('source@x')],
    [
      'the default Secret is used when it is there',
      { secrets: { ...ours, ...shared }, config: named },
      'mine',
      access('source@x'),
    ],
    ["and the platform's when it is not", { secrets: shared, config: named }, 'mine', access('shared@x')],
    [
      'an optional Secret may be missing',
      { spec: { secret: { name: 'a', key: 'b', optional: true } }, secrets: shared, config: named },
      'mine',
      access('shared@x'),
    ],
    [
      'a Secret has the key that it is said to have',
      { spec: { secret: { name: 'a', key: 'b' } }, secrets: { 'default/a/b': keyOf('b@x') }, config: named },
      'mine',
      access('b@x'),
    ],
    [
      'an emulator needs no Secret',
      {
        spec: { secret: { name: 'a', key: 'b' }, project: 'demo' },
        environment: { PUBSUB_EMULATOR_HOST: 'localhost:8085' },
      },
      'demo',
      { kind: 'emulator', host: 'localhost:8085' },
    ],
  ])('%s', (_, given, project, expected) => {
    expect(planned(given)).toMatchObject({ plan: { settings: { project, access: expected } } });
  });

  it.each<[Given, string, string]>([
    [
      { spec: { secret: { name: 'a', key: 'b' } } },
      'SecretNotFound',
      'Secret default/a is not there, or has no key b',
    ],
    [
      {},
      'SettingsInvalid',
      'project: "" is not the id of a project; it is said in spec.project, or as project in ConfigMap knative-eventing/pubsub-channel-config',
    ],
    [
      { secrets: { 'default/google-cloud-key/key.json': 'swordfish' }, spec: { project: 'mine' } },
      'SettingsInvalid',
      'Secret default/google-cloud-key, key.json: key.json: is not the JSON of a service-account key',
    ],
    [{ config: named }, 'SettingsInvalid', 'Secret gcp: has no key.json, or is not there'],
  ])('says what is missing, and nothing of a secret: %j', (given, reason, message) => {
    expect(planned(given)).toEqual({
      kind: 'missing',
      mark: { type: 'PullSubscriptionReady', status: 'False', reason, message },
    });
  });
});

describe('the status of a CloudPubSubSource', () => {
  const source = { ...aCloudPubSubSource('orders'), status: { subscriptionId: 'made-before' } };
  const context = { apiUrl: '', publicUrl: '' };

  it('says project, topic and what the events look like as soon as they are known', () => {
    const plan = planned({ config: { project: 'mine' } });
    if (plan.kind === 'missing') throw new Error(plan.mark.message);
    expect(cloudPubSubSource.fields?.(source, context, plan.plan)).toEqual({
      projectId: 'mine',
      topicId: 'laconia',
      subscriptionId: 'made-before',
    });
    expect(cloudPubSubSource.ceAttributes(source, context, plan.plan)).toEqual([
      {
        type: 'google.cloud.pubsub.topic.v1.messagePublished',
        source: '//pubsub.googleapis.com/projects/mine/topics/laconia',
      },
    ]);
    expect(cloudPubSubSource.ceAttributes(source, context)).toEqual([]);
  });
});
