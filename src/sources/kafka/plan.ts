import { isFalse } from '../../apis/conditions.ts';
import type { DeliverySpec } from '../../apis/duck.ts';
import { parseIsoDuration } from '../../base/duration.ts';
import {
  KEY_TYPE_LABEL,
  KEY_TYPES,
  type KafkaSource,
  type KeyType,
  type SecretValue,
} from '../../apis/sources/kafka-source/schema.ts';
import { MECHANISMS, parseAddress, type KafkaSettings, type Sasl } from '../../clients/kafka/settings.ts';
import type { Patience, Planned, ReadSecret } from '../source.ts';

/** What is read, and how. */
export type KafkaPlan = {
  readonly settings: KafkaSettings;
  readonly namespace: string;
  readonly name: string;
  readonly topics: readonly string[];
  readonly group: string;
  readonly start: 'latest' | 'earliest';
  readonly isOrdered: boolean;
  /** 0: nothing is read. */
  readonly consumers: number;
  readonly keyType: KeyType;
  readonly patience: Patience;
};

/** Upstream's begin of a group's name that nobody has chosen. */
export const OWN_GROUP_PREFIX = 'knative-kafka-source-';

class Missing extends Error {}

export function planKafkaSource(source: KafkaSource, readSecret: ReadSecret): Planned<KafkaPlan> {
  const { metadata, spec } = source;
  const { namespace = '', name, labels = {} } = metadata;
  const valueOf = (value: SecretValue | undefined, path: string): string | undefined => {
    const { name: secret = '', key = '' } = value?.secretKeyRef ?? {};
    if (secret === '') return undefined;
    const text = readSecret(namespace, secret, key);
    if (text === undefined && value?.secretKeyRef?.optional !== true)
      throw new Missing(`there is no key ${key} in Secret ${secret}, which ${path} names`);
    return text;
  };
  try {
    const keyType = KEY_TYPES.find((known) => known === labels[KEY_TYPE_LABEL]) ?? 'string';
    const plan = {
      settings: settingsOf(spec, valueOf),
      namespace,
      name,
      topics: spec.topics ?? [],
      group: spec.consumerGroup ?? '',
      start: spec.initialOffset ?? 'latest',
      isOrdered: spec.ordering !== 'unordered',
      consumers: spec.consumers ?? 1,
      keyType,
      patience: patienceOf(spec.delivery),
    };
    return { kind: 'plan', plan };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { kind: 'missing', mark: isFalse('ConnectionEstablished', 'SecretUnusable', error.message) };
  }
}

/** What is written of it counts; otherwise an event is tried until the sink takes it. */
function patienceOf(delivery: DeliverySpec = {}): Patience {
  const { retry, backoffPolicy = 'exponential', backoffDelay, backoffMax } = delivery;
  const delayMs = backoffDelay === undefined ? undefined : parseIsoDuration(backoffDelay);
  const maxMs = backoffMax === undefined ? undefined : parseIsoDuration(backoffMax);
  return {
    ...(retry !== undefined && { retryMax: retry }),
    ...(delayMs !== undefined && { backoff: { policy: backoffPolicy, delayMs, maxMs } }),
  };
}

type ValueOf = (value: SecretValue | undefined, path: string) => string | undefined;

function settingsOf({ bootstrapServers = [], net }: KafkaSource['spec'], valueOf: ValueOf): KafkaSettings {
  const seeds = bootstrapServers
    .flatMap((servers) => servers.split(','))
    .flatMap((server) => parseAddress(server) ?? []);
  const [tls, sasl] = [net?.tls, net?.sasl];
  return {
    seeds,
    ssl: tls?.enable === true ? sslOf(tls, valueOf) : null,
    sasl: sasl?.enable === true ? saslOf(sasl, valueOf) : null,
  };
}

type Net = NonNullable<KafkaSource['spec']['net']>;

function sslOf(tls: NonNullable<Net['tls']>, valueOf: ValueOf): NonNullable<KafkaSettings['ssl']> {
  const ca = inPem(valueOf(tls.caCert, 'spec.net.tls.caCert'), 'caCert', CERTIFICATE);
  const cert = inPem(valueOf(tls.cert, 'spec.net.tls.cert'), 'cert', CERTIFICATE);
  const key = inPem(valueOf(tls.key, 'spec.net.tls.key'), 'key', PRIVATE_KEY);
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

const CERTIFICATE = { begins: /-----BEGIN CERTIFICATE-----/, what: 'a certificate' };
const PRIVATE_KEY = { begins: /-----BEGIN [A-Z ]*PRIVATE KEY-----/, what: 'a private key' };

function inPem(
  text: string | undefined,
  field: string,
  { begins, what }: { readonly begins: RegExp; readonly what: string },
): string | undefined {
  if (text !== undefined && !begins.test(text))
    throw new Missing(`what spec.net.tls.${field} names has to be ${what} in PEM`);
  return text;
}

function saslOf(sasl: NonNullable<Net['sasl']>, valueOf: ValueOf): Sasl {
  const mechanism = MECHANISMS.get(valueOf(sasl.type, 'spec.net.sasl.type')?.trim() || 'PLAIN');
  if (mechanism === undefined)
    throw new Missing(`what spec.net.sasl.type names has to be one of ${[...MECHANISMS.keys()].join(', ')}`);
  return {
    mechanism,
    username: valueOf(sasl.user, 'spec.net.sasl.user') ?? '',
    password: valueOf(sasl.password, 'spec.net.sasl.password') ?? '',
  };
}
