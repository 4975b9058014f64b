import { describe, expect, it } from 'vitest';
import { RABBITMQ_SOURCE, type RabbitmqSource } from '../../../src/apis/sources/rabbitmq-source/schema.ts';
import { planRabbitmqSource, type RabbitmqPlan } from '../../../src/sources/rabbitmq/plan.ts';
import { rabbitmqSource } from '../../../src/sources/rabbitmq/rabbitmq-source.ts';

type Keys = Readonly<Record<string, string>>;

const aSource = (spec: object = {}): RabbitmqSource =>
  ({
    ...RABBITMQ_SOURCE,
    metadata: { name: 'orders', namespace: 'demo', uid: 'u-1' },
    spec: {
      rabbitmqClusterReference: { namespace: 'demo', connectionSecret: { name: 'rabbit' } },
      rabbitmqResourcesConfig: { exchangeName: 'orders', queueName: 'orders/in', parallelism: 7 },
      sink: { uri: 'http://sink.example/' },
      ...spec,
    },
  }) as RabbitmqSource;

const byName = aSource({ rabbitmqClusterReference: { name: 'rabbit', namespace: 'infra' } });
const planned = (
  source: RabbitmqSource,
  secrets: Readonly<Record<string, Keys>>,
  config?: Keys,
): ReturnType<typeof planRabbitmqSource> =>
  planRabbitmqSource(source, (namespace, name, key) => secrets[`${namespace}/${name}`]?.[key], {
    configMap: (name) => (name === 'rabbitmq-channel-config' ? config : undefined),
  });
function planOf(...given: Parameters<typeof planned>): RabbitmqPlan {
  const made = planned(...given);
  if (made.kind === 'missing') throw new Error(made.mark.message);
  return made.plan;
}

const SECRET = { uri: 'rabbit.example', username: 'reader', password: 's3cret' };

describe('the plan of a RabbitmqSource', () => {
  it('is of its Secret, with the keys of upstream', () => {
    const { address, ...rest } = planOf(aSource(), { 'demo/rabbit': SECRET });
    expect(address).toMatchObject({
      host: 'rabbit.example',
      port: 5672,
      isTls: false,
      vhost: '%2F',
      username: 'reader',
      password: 's3cret',
    });
    expect(rest).toEqual({
      uid: 'u-1',
      from: { namespace: 'demo', name: 'orders', queue: 'orders/in' },
      exchange: 'orders',
      isPredeclared: false,
      inFlightMax: 7,
      patience: { retryMax: undefined, backoff: undefined },
    });
  });

  it('reads a Secret of the namespace that the reference names, and its own virtual host', () => {
    const source = aSource({
      rabbitmqClusterReference: { namespace: 'infra', connectionSecret: { name: 'rabbit' } },
      rabbitmqResourcesConfig: { predeclared: true, queueName: 'q', vhost: 'shop/eu' },
    });
    const plan = planOf(source, { 'infra/rabbit': { ...SECRET, uri: 'amqps://rabbit.example:5999/other' } });
    expect(plan.address).toMatchObject({ isTls: true, port: 5999, vhost: 'shop%2Feu' });
    expect(plan).toMatchObject({ exchange: undefined, isPredeclared: true, inFlightMax: 1 });
  });

  it('takes retries and pauses from its delivery', () => {
    const delivery = { retry: 3, backoffPolicy: 'linear', backoffDelay: 'PT0.5S' };
    expect(planOf(aSource({ delivery }), { 'demo/rabbit': SECRET }).patience).toEqual({
      retryMax: 3,
      backoff: { policy: 'linear', delayMs: 500 },
    });
    expect(
      planOf(aSource({ delivery: { backoffDelay: 'PT1S' } }), { 'demo/rabbit': SECRET }).patience,
    ).toEqual({ retryMax: undefined, backoff: { policy: 'exponential', delayMs: 1000 } });
  });

  it('finds a cluster by what its operator writes, before the RabbitMQ of the channels', () => {
    const operators = { host: 'rabbit.infra.svc', port: '5671', username: 'default', password: 'p' };
    const secrets = {
      'infra/rabbit-default-user': { ...operators, connection_string: 'amqps://default:p@rabbit.infra.svc/' },
      'knative-eventing/auth': { username: 'channels', password: 'q' },
    };
    const config = { uri: 'amqp://broker.example/shop', 'auth.secret.ref.name': 'auth' };
    expect(planOf(byName, secrets, config).address).toMatchObject({
      host: 'rabbit.infra.svc',
      port: 5671,
      isTls: true,
      username: 'default',
    });
    const { 'infra/rabbit-default-user': _, ...others } = secrets;
    expect(planOf(byName, others, config).address).toMatchObject({
      host: 'broker.example',
      vhost: 'shop',
      username: 'channels',
    });
    expect(planOf(byName, {}, { uri: 'amqp://broker.example' }).address.username).toBe('guest');
  });

  it.each<[string, RabbitmqSource, Readonly<Record<string, Keys>>, string, RegExp]>([
    ['no Secret', aSource(), {}, 'SecretMissing', /^Secret demo\/rabbit is not there, or has no key uri/],
    [
      'a Secret without the address',
      aSource(),
      { 'demo/rabbit': { password: 's3cret' } },
      'SecretMissing',
      /no key uri/,
    ],
    [
      'a user without a password',
      aSource(),
      { 'demo/rabbit': { uri: 'rabbit.example', username: 'reader' } },
      'SettingsInvalid',
      /^Secret demo\/rabbit: password is missing/,
    ],
    [
      'an address of something else',
      aSource(),
      { 'demo/rabbit': { ...SECRET, uri: 'https://u:s3cret@rabbit.example' } },
      'SettingsInvalid',
      /uri of the Secret has to be amqp:/,
    ],
    [
      'a cluster that nobody knows',
      byName,
      {},
      'SecretMissing',
      /RabbitmqCluster infra\/rabbit .* infra\/rabbit-default-user.* ConfigMap knative-eventing\/rabbitmq-channel-config/,
    ],
  ])('says what is missing or wrong: %s', (_, source, secrets, reason, words) => {
    const made = planned(source, secrets);
    expect(made).toMatchObject({
      kind: 'missing',
      mark: { type: 'SecretReady', status: 'False', reason, message: expect.stringMatching(words) },
    });
    expect(JSON.stringify(made)).not.toContain('s3cret');
  });

  it('says what the events of plain messages look like', () => {
    const context = { publicUrl: '', apiUrl: '' };
    expect(rabbitmqSource.ceAttributes(aSource(), context)).toEqual([
      {
        type: 'dev.knative.rabbitmq.event',
        source: '/apis/v1/namespaces/demo/rabbitmqsources/orders#orders%2Fin',
      },
    ]);
  });
});
