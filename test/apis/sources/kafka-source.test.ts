import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import type { AdmissionContext } from '../../../src/apis/kind.ts';
import { kafkaSourceKind } from '../../../src/apis/sources/kafka-source/kafka-source.ts';
import {
  KAFKA_SOURCE,
  KEY_TYPE_LABEL,
  type KafkaSource,
} from '../../../src/apis/sources/kafka-source/schema.ts';
import { created } from '../../kit/world.ts';

type Spec = KafkaSource['spec'];
const from = (name: string, key: string) => ({ secretKeyRef: { name, key } });
const aSource = (spec: Partial<Spec> = {}, labels: Record<string, string> = {}): KafkaSource => ({
  ...KAFKA_SOURCE,
  metadata: { name: 'orders', namespace: 'demo', labels },
  spec: {
    bootstrapServers: ['kafka.example:9092'],
    topics: ['incoming'],
    initialOffset: 'latest',
    sink: { uri: 'http://sink.example/' },
    ...spec,
  },
});
const updated = (old: KafkaSource): AdmissionContext => ({ ...created(), operation: 'UPDATE', old });
const faults = (spec: Record<string, unknown>, context = created()): string =>
  renderFieldErrors(kafkaSourceKind.validate(aSource(spec as Partial<Spec>), context));

describe('a KafkaSource', () => {
  it('gets upstream’s defaults, once, and a group of its own', () => {
    const { initialOffset: _, ...bare } = aSource().spec;
    const source = kafkaSourceKind.setDefaults({ ...aSource(), spec: bare }, created());
    expect(source.spec).toMatchObject({ consumers: 1, initialOffset: 'latest', ordering: 'ordered' });
    expect(source.spec.consumerGroup).toMatch(/^knative-kafka-source-[0-9a-f-]{36}$/);
    expect(kafkaSourceKind.setDefaults(source, created())).toEqual(source);
    const other = kafkaSourceKind.setDefaults(aSource(), created());
    expect(other.spec.consumerGroup).not.toBe(source.spec.consumerGroup);
  });

  it('keeps its group when it is replaced by one that names none', () => {
    const old = kafkaSourceKind.setDefaults(aSource(), created());
    const next = kafkaSourceKind.setDefaults(aSource({ topics: ['other'] }), updated(old));
    expect(next.spec.consumerGroup).toBe(old.spec.consumerGroup);
    expect(kafkaSourceKind.validate(next, updated(old))).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['several servers in one line', { bootstrapServers: ['a:9092,b:9092', '[::1]:9092'] }],
    ['several topics', { topics: ['a', 'b.c', 'D_e-f'] }],
    ['no consumers, for now', { consumers: 0 }],
    [
      'SASL over TLS',
      {
        net: {
          sasl: { enable: true, user: from('s', 'u'), password: from('s', 'p'), type: from('s', 't') },
          tls: { enable: true, caCert: from('s', 'ca') },
        },
      },
    ],
    ['what it does not use', { net: { sasl: {}, tls: { enable: false, cert: {} } } }],
    ['retries', { delivery: { retry: 3, backoffPolicy: 'linear', backoffDelay: 'PT1S' } }],
  ])('takes %s', (_, spec) => {
    expect(faults(spec)).toBe('');
  });

  it.each<[Record<string, unknown>, string]>([
    [{ topics: [], bootstrapServers: [] }, 'missing field(s): spec.bootstrapServers, spec.topics'],
    [
      { topics: undefined, bootstrapServers: undefined },
      'missing field(s): spec.bootstrapServers, spec.topics',
    ],
    [{ initialOffset: 'newest' }, 'invalid value: newest: spec.initialOffset'],
    [{ ordering: 'sorted' }, 'invalid value: sorted: spec.ordering'],
    [{ consumers: -1 }, 'expected 0 <= -1 <= 100: spec.consumers'],
    [{ sink: undefined }, 'expected at least one, got none: spec.sink.ref, spec.sink.uri'],
    [
      { bootstrapServers: ['kafka.example'] },
      'invalid value: kafka.example: spec.bootstrapServers[0]\nexpected host:port',
    ],
    [
      { topics: ['a b'] },
      'invalid value: a b: spec.topics[0]\na topic has 1 to 249 letters, digits, dots, underscores, dashes',
    ],
    [{ topics: ['a', 'a'] }, 'invalid value: a: spec.topics[1]\nit is named twice'],
    [
      { net: { sasl: { enable: true, user: { secretKeyRef: { name: 's' } } } } },
      'missing field(s): spec.net.sasl.password.secretKeyRef, spec.net.sasl.user.secretKeyRef.key',
    ],
    [
      { net: { tls: { enable: true, cert: from('s', 'cert') } } },
      'missing field(s): spec.net.tls.key.secretKeyRef',
    ],
    [{ delivery: { backoffPolicy: 'cubic' } }, 'invalid value: cubic: spec.delivery.backoffPolicy'],
    [
      { delivery: { deadLetterSink: { uri: 'http://dead.example/' } } },
      'must not set the field(s): spec.delivery.deadLetterSink\na source has none here: let a Channel be the sink, and give its Subscription a deadLetterSink',
    ],
  ])('is refused with %j, in upstream’s words where it has some', (spec, expected) => {
    expect(faults(spec)).toBe(expected);
  });

  it('is refused another group, with the difference', () => {
    const old = aSource({ consumerGroup: 'mine' });
    expect(faults({ consumerGroup: 'yours' }, updated(old))).toBe(
      'Immutable fields changed (-old +new): spec\n{string}:\n\t-: "mine"\n\t+: "yours"\n',
    );
  });

  it.each<[Partial<Spec>, Record<string, string>, RegExp]>([
    [{ net: { tls: { enable: false } } }, {}, /^spec\.net\.tls: it is not used/],
    [{ net: { sasl: { enable: true } } }, {}, /without TLS/],
    [{ delivery: { retry: 3, timeout: 'PT1S' } }, {}, /^spec\.delivery\.timeout: it is not used$/],
    [{}, { [KEY_TYPE_LABEL]: 'long' }, /none of string, int, float, byte-array/],
  ])('is taken with %j and labels %j, and warned of', (spec, labels, expected) => {
    expect(kafkaSourceKind.warn?.(aSource(spec, labels))).toEqual([expect.stringMatching(expected)]);
  });

  it('is warned of nothing when all is well', () => {
    expect(kafkaSourceKind.warn?.(aSource({}, { [KEY_TYPE_LABEL]: 'int' }))).toEqual([]);
  });
});
