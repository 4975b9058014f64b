import { describe, expect, it } from 'vitest';
import {
  KAFKA_SOURCE,
  KEY_TYPE_LABEL,
  type KafkaSource,
} from '../../../src/apis/sources/kafka-source/schema.ts';
import { planKafkaSource } from '../../../src/sources/kafka/plan.ts';
import { readBegun, writeBegun } from '../../../src/sources/kafka/progress.ts';
import type { ReadSecret } from '../../../src/sources/source.ts';
import { SourceWorld } from './source-world.ts';

const SECRET: Readonly<Record<string, string>> = {
  type: 'SCRAM-SHA-256\n',
  odd: 'OAUTHBEARER',
  user: 'bob',
  password: 'bob-pw',
  ca: '-----BEGIN CERTIFICATE-----\nx',
  key: '-----BEGIN PRIVATE KEY-----\nx',
  text: 'hello',
};
const readSecret: ReadSecret = (namespace, name, key) =>
  namespace === 'demo' && name === 's' ? SECRET[key] : undefined;
const from = (key: string, optional?: boolean) => ({
  secretKeyRef: { name: 's', key, ...(optional !== undefined && { optional }) },
});
const aSource = (
  spec: Partial<KafkaSource['spec']> = {},
  labels: Record<string, string> = {},
): KafkaSource => ({
  ...KAFKA_SOURCE,
  metadata: { name: 'orders', namespace: 'demo', labels },
  spec: {
    bootstrapServers: ['a:9092,b:9093', '[::1]:9092'],
    topics: ['incoming'],
    consumerGroup: 'g',
    consumers: 1,
    initialOffset: 'latest',
    ordering: 'ordered',
    ...spec,
  },
});
const planOf = (source: KafkaSource): unknown => {
  const planned = planKafkaSource(source, readSecret);
  return planned.kind === 'plan' ? planned.plan : planned.mark;
};

describe('the plan of a KafkaSource', () => {
  it('has what its spec says', () => {
    expect(planOf(aSource())).toEqual({
      settings: {
        seeds: [
          { host: 'a', port: 9092 },
          { host: 'b', port: 9093 },
          { host: '::1', port: 9092 },
        ],
        ssl: null,
        sasl: null,
      },
      namespace: 'demo',
      name: 'orders',
      topics: ['incoming'],
      group: 'g',
      start: 'latest',
      isOrdered: true,
      consumers: 1,
      keyType: 'string',
      patience: {},
    });
    const other = { initialOffset: 'earliest', ordering: 'unordered', consumers: 3 } as const;
    expect(planOf(aSource(other, { [KEY_TYPE_LABEL]: 'float' }))).toMatchObject({
      start: 'earliest',
      isOrdered: false,
      consumers: 3,
      keyType: 'float',
    });
    expect(planOf(aSource({}, { [KEY_TYPE_LABEL]: 'long' }))).toMatchObject({ keyType: 'string' });
  });

  it('tries as often and when delivery says', () => {
    const delivery = { retry: 3, backoffPolicy: 'linear', backoffDelay: 'PT2S', backoffMax: 'PT1M' } as const;
    expect(planOf(aSource({ delivery }))).toMatchObject({
      patience: { retryMax: 3, backoff: { policy: 'linear', delayMs: 2000, maxMs: 60_000 } },
    });
    expect(planOf(aSource({ delivery: { retry: 0 } }))).toMatchObject({ patience: { retryMax: 0 } });
  });

  it('has credentials from Secrets, where they are enabled', () => {
    const sasl = { user: from('user'), password: from('password'), type: from('type') };
    const tls = { caCert: from('ca'), cert: from('ca'), key: from('key') };
    expect(
      planOf(aSource({ net: { sasl: { enable: true, ...sasl }, tls: { enable: true, ...tls } } })),
    ).toMatchObject({
      settings: {
        ssl: { ca: SECRET['ca'], cert: SECRET['ca'], key: SECRET['key'] },
        sasl: { mechanism: 'scram-sha-256', username: 'bob', password: 'bob-pw' },
      },
    });
    expect(planOf(aSource({ net: { sasl, tls } }))).toMatchObject({ settings: { ssl: null, sasl: null } });
    const plain = { enable: true, user: from('user'), password: from('password'), type: from('none', true) };
    expect(planOf(aSource({ net: { sasl: plain } }))).toMatchObject({
      settings: { sasl: { mechanism: 'plain' } },
    });
  });

  it.each<[NonNullable<KafkaSource['spec']['net']>, string]>([
    [
      { sasl: { enable: true, user: from('nobody'), password: from('password') } },
      'there is no key nobody in Secret s, which spec.net.sasl.user names',
    ],
    [
      { sasl: { enable: true, user: from('user'), password: from('password'), type: from('odd') } },
      'what spec.net.sasl.type names has to be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512',
    ],
    [
      { tls: { enable: true, caCert: from('text') } },
      'what spec.net.tls.caCert names has to be a certificate in PEM',
    ],
    [
      { tls: { enable: true, cert: from('ca'), key: from('password') } },
      'what spec.net.tls.key names has to be a private key in PEM',
    ],
  ])('says what is missing of %j, and no value', (net, message) => {
    expect(planOf(aSource({ net }))).toEqual({
      type: 'ConnectionEstablished',
      status: 'False',
      reason: 'SecretUnusable',
      message,
    });
  });
});

describe('what a KafkaSource remembers', () => {
  const plan = new SourceWorld('127.0.0.1:1').plan({ group: 'g', topics: ['a', 'b'] });
  it('is which topics it has begun in its group', () => {
    expect(readBegun(writeBegun(plan), plan)).toEqual(new Set(['a', 'b']));
    expect(readBegun(writeBegun(plan), { ...plan, group: 'other' })).toEqual(new Set());
  });

  it.each([undefined, '', '{', 'null', '{"group":"g"}'])('is nothing when it says %j', (text) => {
    expect(readBegun(text, plan)).toEqual(new Set());
  });
});
