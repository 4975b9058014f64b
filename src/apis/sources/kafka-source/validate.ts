import { deliveryErrors } from '../../delivery.ts';
import {
  below,
  disallowedField,
  immutable,
  invalidValue,
  missingField,
  outOfBounds,
} from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { KEY_TYPE_LABEL, KEY_TYPES, type KafkaSource, type SecretValue } from './schema.ts';

const TOPIC = /^[\w.-]{1,249}$/;
const SERVER = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+):\d{1,5}$/;
export const TOPICS_MAX = 100;
export const CONSUMERS_MAX = 100;
const NO_DEAD_LETTERS =
  'a source has none here: let a Channel be the sink, and give its Subscription a deadLetterSink';

/** eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_validation.go, and what could never run. */
export function kafkaSourceErrors({ spec }: KafkaSource, { old }: AdmissionContext): FieldError[] {
  const { topics = [], bootstrapServers = [], initialOffset, ordering, consumers, delivery } = spec ?? {};
  const errors: FieldError[] = [];
  if (topics.length === 0) errors.push(missingField('spec.topics'));
  if (bootstrapServers.length === 0) errors.push(missingField('spec.bootstrapServers'));
  if (initialOffset !== 'earliest' && initialOffset !== 'latest')
    errors.push(invalidValue(initialOffset, 'spec.initialOffset'));
  if (ordering !== undefined && ordering !== 'ordered' && ordering !== 'unordered')
    errors.push(invalidValue(ordering, 'spec.ordering'));
  errors.push(...placeErrors(topics, bootstrapServers));
  if (consumers !== undefined && (consumers < 0 || consumers > CONSUMERS_MAX))
    errors.push(outOfBounds(consumers, 0, CONSUMERS_MAX, 'spec.consumers'));
  errors.push(...netErrors(spec?.net));
  errors.push(...below('spec.delivery', deliveryErrors(delivery)));
  if (delivery?.deadLetterSink !== undefined)
    errors.push({ ...disallowedField('spec.delivery.deadLetterSink'), details: NO_DEAD_LETTERS });
  const before = (old as KafkaSource | undefined)?.spec?.consumerGroup;
  return old === undefined ? errors : [...errors, ...immutable('{string}', before, spec?.consumerGroup)];
}

function placeErrors(topics: readonly string[], bootstrapServers: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if (topics.length > TOPICS_MAX)
    errors.push(outOfBounds(`${topics.length} topics`, 1, TOPICS_MAX, 'spec.topics'));
  for (const [index, topic] of topics.entries()) {
    const path = `spec.topics[${index}]`;
    if (!TOPIC.test(topic) || topic === '.' || topic === '..')
      errors.push(
        invalidValue(topic, path, 'a topic has 1 to 249 letters, digits, dots, underscores, dashes'),
      );
    else if (topics.indexOf(topic) < index) errors.push(invalidValue(topic, path, 'it is named twice'));
  }
  for (const [index, servers] of bootstrapServers.entries())
    if (!servers.split(',').every((server) => SERVER.test(server.trim())))
      errors.push(invalidValue(servers, `spec.bootstrapServers[${index}]`, 'expected host:port'));
  return errors;
}

/** What is enabled has to have what it needs; upstream would find that out when it connects. */
function netErrors(net: KafkaSource['spec']['net']): FieldError[] {
  const { sasl, tls } = net ?? {};
  const missing: string[] = [];
  if (sasl?.enable === true)
    for (const field of ['user', 'password', ...(sasl.type === undefined ? [] : ['type' as const])] as const)
      missing.push(...missingIn(sasl[field], `spec.net.sasl.${field}`));
  if (tls?.enable === true) {
    const isClient = tls.cert !== undefined || tls.key !== undefined;
    const wanted = [
      ...(isClient ? (['cert', 'key'] as const) : []),
      ...(tls.caCert ? (['caCert'] as const) : []),
    ];
    for (const field of wanted) missing.push(...missingIn(tls[field], `spec.net.tls.${field}`));
  }
  return missing.length === 0 ? [] : [missingField(...missing)];
}

function missingIn(value: SecretValue | undefined, path: string): string[] {
  if (value?.secretKeyRef === undefined) return [`${path}.secretKeyRef`];
  const { name, key } = value.secretKeyRef;
  return Object.entries({ name, key }).flatMap(([field, given]) =>
    given ? [] : [`${path}.secretKeyRef.${field}`],
  );
}

export function kafkaSourceWarnings({ spec, metadata }: KafkaSource): string[] {
  const { net, delivery } = spec ?? {};
  const warnings: string[] = [];
  for (const part of ['sasl', 'tls'] as const)
    if (net?.[part] !== undefined && net[part].enable !== true)
      warnings.push(`spec.net.${part}: it is not used, since enable is not true`);
  if (net?.sasl?.enable === true && net.tls?.enable !== true)
    warnings.push('spec.net.sasl: user and password go to the brokers without TLS');
  for (const field of ['timeout', 'retryAfterMax', 'format'] as const)
    if (delivery?.[field] !== undefined) warnings.push(`spec.delivery.${field}: it is not used`);
  const keyType = metadata.labels?.[KEY_TYPE_LABEL];
  if (keyType !== undefined && !KEY_TYPES.some((known) => known === keyType))
    warnings.push(
      `metadata.labels[${KEY_TYPE_LABEL}]: it is none of ${KEY_TYPES.join(', ')}; keys are taken for strings`,
    );
  return warnings;
}
