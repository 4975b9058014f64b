import { isFalse } from '../../apis/conditions.ts';
import type { RabbitmqSource } from '../../apis/sources/rabbitmq-source/schema.ts';
import { parseIsoDuration } from '../../base/duration.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { parseSettings, type Address, type WrittenSettings } from '../../clients/rabbitmq/settings.ts';
import type { Patience, Planned, ReadSecret, SourceContext } from '../source.ts';

export type RabbitmqPlan = {
  readonly address: Address;
  readonly uid: string;
  /** Whose messages these are, as their events say. */
  readonly from: { readonly namespace: string; readonly name: string; readonly queue: string };
  readonly exchange: string | undefined;
  readonly isPredeclared: boolean;
  readonly inFlightMax: number;
  readonly patience: Patience;
};

const CONFIG_MAP = 'rabbitmq-channel-config';
const CONFIG_NAMESPACE = 'knative-eventing';
const SECRET_KEYS = ['uri', 'username', 'password', 'port', 'ca.crt'];

/** Where RabbitMQ is said to be, and what says so, for people. */
type Found = { readonly settings: WrittenSettings; readonly in: string };

export function planRabbitmqSource(
  { metadata, spec }: RabbitmqSource,
  readSecret: ReadSecret,
  { configMap }: Pick<SourceContext, 'configMap'>,
): Planned<RabbitmqPlan> {
  const { namespace = '', name, uid = '' } = metadata;
  const { vhost, exchangeName, queueName, predeclared, parallelism } = spec.rabbitmqResourcesConfig;
  const cluster = { namespace, ...spec.rabbitmqClusterReference };
  const found = cluster.name
    ? (ofCluster(cluster.namespace, cluster.name, readSecret) ?? ofConfigMap(configMap, readSecret))
    : ofSecret(cluster.namespace, cluster.connectionSecret?.name ?? '', readSecret);
  if (found === undefined) return missing('SecretMissing', whatIsMissing(cluster));
  try {
    const address = parseSettings(found.settings);
    return {
      kind: 'plan',
      plan: {
        address: vhost ? { ...address, vhost: encodeURIComponent(vhost) } : address,
        uid,
        from: { namespace, name, queue: queueName },
        exchange: exchangeName || undefined,
        isPredeclared: predeclared === true,
        inFlightMax: parallelism ?? 1,
        patience: patienceOf(spec.delivery),
      },
    };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return missing('SettingsInvalid', `${found.in}: ${messageOf(error)}`);
  }
}

function missing(reason: string, message: string): Planned<RabbitmqPlan> {
  return { kind: 'missing', mark: isFalse('SecretReady', reason, message) };
}

function ofSecret(namespace: string, name: string, readSecret: ReadSecret): Found | undefined {
  const secret = readKeys(namespace, name, SECRET_KEYS, readSecret);
  if (secret['uri'] === undefined) return undefined;
  return { settings: { config: {}, secret }, in: `Secret ${namespace}/${name}` };
}

/** What the RabbitMQ cluster operator writes for each RabbitmqCluster. */
function ofCluster(namespace: string, cluster: string, readSecret: ReadSecret): Found | undefined {
  const name = `${cluster}-default-user`;
  const keys = ['host', 'port', 'username', 'password', 'connection_string', 'ca.crt'];
  const { host, connection_string: link = '', ...secret } = readKeys(namespace, name, keys, readSecret);
  if (host === undefined) return undefined;
  const uri = `${link.startsWith('amqps:') ? 'amqps' : 'amqp'}://${host}`;
  return { settings: { config: {}, secret: { ...secret, uri } }, in: `Secret ${namespace}/${name}` };
}

/** The RabbitMQ of the channels. */
function ofConfigMap(configMap: SourceContext['configMap'], readSecret: ReadSecret): Found | undefined {
  const config = configMap?.(CONFIG_MAP);
  if (config === undefined) return undefined;
  const name = config['auth.secret.ref.name'];
  const secret = name === undefined ? {} : readKeys(CONFIG_NAMESPACE, name, SECRET_KEYS, readSecret);
  return { settings: { config, secret }, in: `ConfigMap ${CONFIG_NAMESPACE}/${CONFIG_MAP}` };
}

function readKeys(
  namespace: string,
  name: string,
  keys: readonly string[],
  readSecret: ReadSecret,
): Readonly<Record<string, string>> {
  const read = keys.map((key) => [key, readSecret(namespace, name, key)] as const);
  return Object.fromEntries(read.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}

function whatIsMissing({ namespace, name, connectionSecret }: Reference): string {
  if (!name)
    return `Secret ${namespace}/${connectionSecret?.name} is not there, or has no key uri: it says where RabbitMQ is (amqp://host:5672/vhost), and username and password who reads there`;
  return `where RabbitmqCluster ${namespace}/${name} is stands nowhere: neither in Secret ${namespace}/${name}-default-user, which the RabbitMQ cluster operator writes, nor in ConfigMap ${CONFIG_NAMESPACE}/${CONFIG_MAP}, which says where the channels' RabbitMQ is; make one of them, or a source with a connectionSecret`;
}

type Reference = RabbitmqSource['spec']['rabbitmqClusterReference'] & { readonly namespace: string };

function patienceOf(delivery: RabbitmqSource['spec']['delivery']): Patience {
  const { retry, backoffPolicy = 'exponential', backoffDelay = '' } = delivery ?? {};
  const delayMs = parseIsoDuration(backoffDelay);
  return {
    retryMax: retry,
    backoff: delayMs === undefined ? undefined : { policy: backoffPolicy, delayMs },
  };
}
