import { beforeAll, describe, expect, it } from 'vitest';
import { aBacking, GOOGLE, KAFKA, PUBSUB, RABBITMQ } from '../../kit/messaging-objects.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: ';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

describe('a KafkaChannel', () => {
  it('has one partition, one replica and a week unless it says otherwise', async () => {
    expect((await world.apply(aBacking(KAFKA, 'plain')))['spec']).toEqual({
      numPartitions: 1,
      replicationFactor: 1,
      retentionDuration: 'PT168H',
    });
    const said = { numPartitions: 12, replicationFactor: 3, retentionDuration: 'P1D' };
    expect((await world.apply(aBacking(KAFKA, 'said', said)))['spec']).toEqual(said);
  });

  it('is served in both versions, and read in the one that was asked for', async () => {
    await world.apply(aBacking({ ...KAFKA, apiVersion: 'messaging.knative.dev/v1' }, 'newer'));
    expect(await world.get(KAFKA, 'newer')).toMatchObject({ metadata: { name: 'newer' } });
  });

  it.each([
    ['numPartitions', { numPartitions: -1 }, 'invalid value: -1: spec.numPartitions'],
    ['replicationFactor', { replicationFactor: -3 }, 'invalid value: -3: spec.replicationFactor'],
    ['replicationFactor', { replicationFactor: 40_000 }, 'invalid value: 40000: spec.replicationFactor'],
    ['retentionDuration', { retentionDuration: 'a week' }, 'invalid value: a week: spec.retentionDuration'],
  ])('is refused with a wrong %s', async (_, spec, text) => {
    expect(await world.refusal(aBacking(KAFKA, 'wrong', spec))).toBe(DENIED + text);
  });

  it('keeps what its topic was made with', async () => {
    await world.apply(aBacking(KAFKA, 'fixed', { numPartitions: 2 }));
    expect(await world.refusal(aBacking(KAFKA, 'fixed', { numPartitions: 3 }))).toBe(
      `${DENIED}Immutable fields changed (-old +new): spec\n{v1beta1.KafkaChannelSpec}.NumPartitions:\n\t-: "2"\n\t+: "3"\n`,
    );
    await world.apply(aBacking(KAFKA, 'fixed', { numPartitions: 2, delivery: { retry: 1 } }));
  });

  it('shows the columns of upstream', () => {
    expect(world.table(KAFKA).header).toEqual(['Name', 'Ready', 'Reason', 'URL', 'Age']);
  });
});

describe('channels of other brokers', () => {
  it('show the columns of InMemoryChannel; the one of Google those it had', () => {
    for (const kind of [RABBITMQ, PUBSUB])
      expect(world.table(kind).header).toEqual(['Name', 'URL', 'Age', 'Ready', 'Reason']);
    expect(world.table(GOOGLE).header).toEqual(['Name', 'Ready', 'Reason', 'Address', 'Age']);
  });

  it.each([
    ['messaging.millrace.dev/external-name', RABBITMQ],
    ['kafka.eventing.knative.dev/external.topic', KAFKA],
    ['delivery.millrace.dev/consumer-group', PUBSUB],
  ])('are refused with a name in %s that no broker takes', async (annotation, kind) => {
    expect(await world.refusal(aBacking(kind, 'named', {}, { [annotation]: 'a b' }))).toBe(
      `${DENIED}invalid value: a b: metadata.annotations[${annotation}]\nexpected 3 to 200 letters, digits, dots, dashes and underscores, the first a letter`,
    );
  });
});
