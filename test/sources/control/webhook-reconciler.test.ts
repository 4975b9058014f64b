import { beforeEach, describe, expect, it } from 'vitest';
import { GITHUB_SOURCE } from '../../../src/apis/sources/github-source/schema.ts';
import { WEBHOOK_SOURCE } from '../../../src/apis/sources/webhook-source/schema.ts';
import { addressTaken } from '../../../src/platform/webhook-addresses.ts';
import { webhookSourceReconciler } from '../../../src/sources/control/webhook-reconciler.ts';
import { aGitHubSource } from '../../kit/github.ts';
import { aWebhookSource } from '../../kit/webhooks.ts';
import { conditionIn, World } from '../../kit/world.ts';

let world: World;
let secrets: Record<string, string>;
let owed: number;
let followed: (string | undefined)[];

beforeEach(async () => {
  world = await World.open();
  [secrets, owed, followed] = [{ 'shop/secret': 'c2VjcmV0' }, 0, []];
});

const reconciler = () =>
  webhookSourceReconciler(world.controller, {
    webhookUrlOf: (namespace, name) => `https://hooks.example/webhooks/${namespace}/${name}`,
    readSecret: (_namespace, name, key) => secrets[`${name}/${key}`],
    addressTaken: addressTaken(world.informers),
    removeOutbox: async () => owed,
    followSink: async ({ sinkUrl }) => void followed.push(sinkUrl),
  });
async function pass(spec: Parameters<typeof aWebhookSource>[0]): Promise<(type: string) => unknown> {
  await world.apply({ ...aWebhookSource(spec), metadata: { name: 'shop', namespace: 'default' } });
  await expect.poll(() => world.informers.of(WEBHOOK_SOURCE).get('default/shop')).toBeDefined();
  await world.pass(reconciler(), 'shop');
  const object = await world.get(WEBHOOK_SOURCE, 'shop');
  return (type) => conditionIn(object, type);
}
async function aGitHubSourceOfThatName(): Promise<void> {
  await world.apply({ ...aGitHubSource(), metadata: { name: 'shop', namespace: 'default' } });
  await expect.poll(() => world.informers.of(GITHUB_SOURCE).get('default/shop')).toBeDefined();
}
const later = (seconds: number): void => world.clock.advance(seconds * 1000);

describe('a WebhookSource', () => {
  it('is ready, says where deliveries go, and what the events look like', async () => {
    const condition = await pass({ preset: 'stripe' });
    expect(condition('Ready')).toEqual({ status: 'True' });
    const { status } = await world.get(WEBHOOK_SOURCE, 'shop');
    expect(status).toMatchObject({
      webhookURL: 'https://hooks.example/webhooks/default/shop',
      sinkUri: 'http://sink.example/',
      ceAttributes: [
        {
          type: 'com.stripe.*',
          source: '/apis/sources.millrace.dev/v1alpha1/namespaces/default/webhooksources/shop',
        },
      ],
    });
    expect(followed).toEqual(['http://sink.example/']);
    expect(world.table(WEBHOOK_SOURCE).header).toEqual(['Name', 'URL', 'Sink', 'Age', 'Ready', 'Reason']);
  });

  it('waits for its secret, and for one of its optional ones', async () => {
    secrets = {};
    expect((await pass({ preset: 'stripe' }))('Ready')).toEqual({
      status: 'False',
      reason: 'SecretNotFound',
      message: 'Secret default/shop is not there, or has no key secret',
    });
    const optional = ['new', 'old'].map((key) => ({ secretKeyRef: { name: 'shop', key, optional: true } }));
    const either = { preset: 'stripe', secrets: optional } as const;
    expect((await pass(either))('SecretsProvided')).toMatchObject({ status: 'False' });
    secrets = { 'shop/old': 'x' };
    expect((await pass(either))('SecretsProvided')).toEqual({ status: 'True' });
  });

  it('says that a secret is of no use, and does not say it', async () => {
    secrets = { 'shop/secret': 'no base64 at all' };
    const condition = (await pass({ preset: 'standard-webhooks' }))('SecretsProvided');
    expect(condition).toMatchObject({ status: 'False', reason: 'SecretUnusable' });
    expect(JSON.stringify(condition)).not.toContain('at all');
    expect((await pass({ verification: { basic: {} } }))('SecretsProvided')).toMatchObject({
      message: 'Secret default/shop has no key username for the user name',
    });
  });

  it('says that it verifies nothing', async () => {
    const condition = await pass({ secrets: [], verification: { none: {} } });
    expect(condition('SecretsProvided')).toMatchObject({ status: 'True', reason: 'NoVerification' });
    expect(condition('Ready')).toEqual({ status: 'True' });
  });

  it('waits for a sink that is not there', async () => {
    const ref = {
      apiVersion: 'messaging.knative.dev/v1',
      kind: 'Channel',
      name: 'orders',
      namespace: 'default',
    };
    expect((await pass({ preset: 'stripe', sink: { ref } }))('Ready')).toMatchObject({
      status: 'False',
      reason: 'NotFound',
      message: 'Channel default/orders is not found',
    });
  });

  it('is not ready when a GitHubSource has had its address before, and is once that is gone', async () => {
    await aGitHubSourceOfThatName();
    later(2);
    expect((await pass({ preset: 'stripe' }))('Ready')).toEqual({
      status: 'False',
      reason: 'AddressTaken',
      message: 'GitHubSource default/shop answers at this address already; give one of them another name',
    });
    await world.admin.remove(GITHUB_SOURCE, 'default', 'shop');
    await expect.poll(() => world.informers.of(GITHUB_SOURCE).get('default/shop')).toBeUndefined();
    expect((await pass({ preset: 'stripe' }))('Ready')).toEqual({ status: 'True' });
  });

  it('keeps its address when a GitHubSource of that name comes later', async () => {
    await pass({ preset: 'stripe' });
    later(2);
    await aGitHubSourceOfThatName();
    expect((await pass({ preset: 'stripe' }))('Ready')).toEqual({ status: 'True' });
  });

  it('says how much it gives up when it goes', async () => {
    const source = aWebhookSource({ preset: 'stripe' });
    expect(await reconciler().finalize?.(source)).toEqual([]);
    owed = 3;
    expect(await reconciler().finalize?.(source)).toMatchObject([
      { type: 'Warning', reason: 'EventsGivenUp', message: expect.stringContaining('3 events') },
    ]);
  });
});
