import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import { rabbitmqSourceKind } from '../../../src/apis/sources/rabbitmq-source/rabbitmq-source.ts';
import { RABBITMQ_SOURCE, type RabbitmqSource } from '../../../src/apis/sources/rabbitmq-source/schema.ts';
import { created, World } from '../../kit/world.ts';

const SPEC = {
  rabbitmqClusterReference: { namespace: 'demo', connectionSecret: { name: 'rabbit' } },
  rabbitmqResourcesConfig: { exchangeName: 'orders', queueName: 'orders-in', parallelism: 1 },
  sink: { uri: 'http://sink.example/' },
};
const aSource = (spec: object = {}, namespace = 'demo'): RabbitmqSource =>
  ({
    ...RABBITMQ_SOURCE,
    metadata: { name: 'orders', namespace },
    spec: { ...SPEC, ...spec },
  }) as RabbitmqSource;
const faults = (spec: object, old?: RabbitmqSource): string =>
  renderFieldErrors(rabbitmqSourceKind.validate(aSource(spec), { ...created(), old }));
const resources = (more: object): object => ({
  rabbitmqResourcesConfig: { ...SPEC.rabbitmqResourcesConfig, ...more },
});

describe('a RabbitmqSource', () => {
  it.each<[string, object]>([
    ['a Secret', {}],
    ['a cluster by its name', { rabbitmqClusterReference: { name: 'rabbit', namespace: 'demo' } }],
    ['a queue that is there', { rabbitmqResourcesConfig: { predeclared: true, queueName: 'q' } }],
    ['the widest parallelism', resources({ parallelism: 1000, vhost: '/shop' })],
    ['a delivery', { delivery: { retry: 3, backoffPolicy: 'linear', backoffDelay: 'PT1S' } }],
  ])('takes %s', (_, spec) => {
    expect(faults(spec)).toBe('');
  });

  it.each<[object, string]>([
    [{ rabbitmqResourcesConfig: undefined }, 'missing field(s): spec.rabbitmqResourcesConfig'],
    [
      { rabbitmqResourcesConfig: { queueName: 'q' } },
      'Name of exchange must be provided when spec.predeclared is false: exchangeConfig, name, spec',
    ],
    [{ rabbitmqClusterReference: undefined }, 'missing field(s): spec.rabbitmqClusterReference'],
    [
      { rabbitmqClusterReference: { namespace: 'demo' } },
      'missing field(s): spec.rabbitmqClusterReference.name',
    ],
    [
      { rabbitmqClusterReference: { name: 'rabbit', connectionSecret: { name: 'rabbit' } } },
      'must not set the field(s): spec.rabbitmqClusterReference.connectionSecret',
    ],
    [
      { rabbitmqClusterReference: { connectionSecret: {} } },
      'missing field(s): spec.rabbitmqClusterReference.connectionSecret.name',
    ],
    [resources({ queueName: '' }), 'missing field(s): spec.rabbitmqResourcesConfig.queueName'],
    [
      resources({ parallelism: 1001 }),
      'expected 1 <= 1001 <= 1000: spec.rabbitmqResourcesConfig.Parallelism',
    ],
    [resources({ parallelism: 0 }), 'expected 1 <= 0 <= 1000: spec.rabbitmqResourcesConfig.Parallelism'],
    [
      resources({ queueName: 'q'.repeat(256) }),
      'expected 1 <= 256 bytes <= 255: spec.rabbitmqResourcesConfig.queueName',
    ],
    [{ delivery: { retry: -1 } }, 'invalid value: -1: spec.delivery.retry'],
    [{ delivery: { backoffPolicy: 'cubic' } }, 'invalid value: cubic: spec.delivery.backoffPolicy'],
    [{ delivery: { backoffDelay: '1s' } }, 'invalid value: 1s: spec.delivery.backoffDelay'],
    [{ sink: {} }, 'expected at least one, got none: spec.sink.ref, spec.sink.uri'],
  ])('refuses %j', (spec, text) => {
    expect(faults(spec)).toBe(text);
  });

  it('never changes its spec, down to the sink', () => {
    const old = aSource();
    expect(faults({}, old)).toBe('');
    expect(faults({ sink: { uri: 'http://other.example/' } }, old)).toContain(
      'Immutable fields changed (-old +new): spec\n{v1alpha1.RabbitmqSourceSpec}.Sink.',
    );
    expect(faults(resources({ parallelism: 2 }), old)).toContain('.RabbitmqResourcesConfig.Parallelism:');
    expect(faults({ delivery: { retry: 1 } }, old)).toContain('Immutable');
  });

  it('reads one message at a time from a RabbitMQ of its own namespace, when it says nothing', () => {
    const { rabbitmqClusterReference, rabbitmqResourcesConfig } = rabbitmqSourceKind.setDefaults(
      aSource({
        rabbitmqClusterReference: { name: 'rabbit' },
        rabbitmqResourcesConfig: { exchangeName: 'orders', queueName: 'orders-in' },
      }),
      created(),
    ).spec;
    expect(rabbitmqClusterReference).toEqual({ name: 'rabbit', namespace: 'demo' });
    expect(rabbitmqResourcesConfig.parallelism).toBe(1);
    expect(() =>
      rabbitmqSourceKind.setDefaults(
        { ...RABBITMQ_SOURCE, metadata: { name: 'bare' } } as RabbitmqSource,
        created(),
      ),
    ).not.toThrow();
  });

  it('is refused by the API where its shape is wrong, and shows its age alone', async () => {
    const world = await World.open();
    await world.apply(aSource({}, 'default'));
    expect(world.table(RABBITMQ_SOURCE)).toMatchObject({ header: ['Name', 'Age'] });
    const { rabbitmqClusterReference: _, ...without } = SPEC;
    const bare = { ...aSource({}, 'default'), spec: without };
    expect(await world.refusal(bare)).toContain('spec.rabbitmqClusterReference: Required value');
    expect(await world.refusal(aSource(resources({ parallelism: 2000 }), 'default'))).toContain(
      'should be less than or equal to 1000',
    );
    expect(await world.refusal(aSource(resources({ vhost: 'other' }), 'default'))).toContain(
      'admission webhook "validation.webhook.rabbitmq.sources.knative.dev" denied the request: validation failed: Immutable fields changed',
    );
  });

  it('is taken as its page shows it', async () => {
    const world = await World.open();
    const page = readFileSync(new URL('../../../docs/sources/rabbitmq.md', import.meta.url), 'utf8');
    const [, manifest = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
    const documents = parseAllDocuments(manifest).map((document) => document.toJS() as { metadata: object });
    expect(documents.length).toBe(2);
    for (const document of documents)
      await world.apply({ ...document, metadata: { ...document.metadata, namespace: 'default' } });
    const { spec } = await world.get(RABBITMQ_SOURCE, 'orders');
    expect(spec).toMatchObject({
      delivery: { retry: 5 },
      rabbitmqClusterReference: { namespace: 'default' },
    });
  });
});
