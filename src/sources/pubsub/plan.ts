import { isFalse } from '../../apis/conditions.ts';
import { DEFAULT_SECRET } from '../../apis/sources/cloud-pubsub-source/defaults.ts';
import type { CloudPubSubSource, SecretKey } from '../../apis/sources/cloud-pubsub-source/schema.ts';
import { secondsOf } from '../../apis/sources/cloud-pubsub-source/validate.ts';
import { messageOf } from '../../base/errors.ts';
import { readSettings, type PubsubSettings } from '../../clients/pubsub/settings.ts';
import type { Planned, ReadSecret, SourceContext } from '../source.ts';

/** How one subscription is read; names are full ones, `projects/P/topics/T`. */
export type PubSubPlan = {
  readonly settings: PubsubSettings;
  readonly topic: string;
  readonly subscription: string;
  readonly ackDeadlineS: number;
  readonly retentionS: number;
  readonly isRetained: boolean;
};

const CONFIG_MAP = 'pubsub-channel-config';
const CONFIG_NAMESPACE = 'knative-eventing';
const NAME_MAX = 255;

type Environment = Readonly<Record<string, string | undefined>>;
type Key = { readonly text: string; readonly of: string };

/**
 * The key of the source's Secret comes before the platform's, and its project before the key's. A Secret that nobody wrote
 * down, since it is the default, or that is optional, may be missing.
 */
export function planCloudPubSubSource(
  { metadata, spec }: CloudPubSubSource,
  readSecret: ReadSecret,
  { configMap }: Pick<SourceContext, 'configMap'>,
  environment: Environment,
): Planned<PubSubPlan> {
  const { namespace = '', name, uid = '' } = metadata;
  const config = configMap?.(CONFIG_MAP) ?? {};
  const hasEmulator = Boolean(config['emulator.host'] ?? environment['PUBSUB_EMULATOR_HOST']);
  const own = ownKey(namespace, spec.secret, readSecret);
  if (own === undefined && isDemanded(spec.secret) && !hasEmulator) {
    const { name: secret, key } = spec.secret;
    return missing('SecretNotFound', `Secret ${namespace}/${secret} is not there, or has no key ${key}`);
  }
  const key = own ?? sharedKey(config['auth.secret.ref.name'], readSecret);
  const project = spec.project ? { project: spec.project } : {};
  const secret: Record<string, string> = key === undefined ? {} : { 'key.json': key.text };
  try {
    const settings = readSettings({ config: { ...config, ...project }, secret }, environment);
    return {
      kind: 'plan',
      plan: {
        settings,
        topic: `projects/${settings.project}/topics/${spec.topic}`,
        subscription: `projects/${settings.project}/subscriptions/${subscriptionId(namespace, name, uid)}`,
        ackDeadlineS: secondsOf(spec.ackDeadline, 30),
        retentionS: secondsOf(spec.retentionDuration, 7 * 86_400),
        isRetained: spec.retainAckedMessages ?? false,
      },
    };
  } catch (error) {
    return missing('SettingsInvalid', `${wayToMend(messageOf(error), key)}`);
  }
}

/** As knative-gcp has it, whose source makes a PullSubscription (pkg/reconciler/intevents/pullsubscription/resources/names.go). */
export function subscriptionId(namespace: string, name: string, uid: string): string {
  return `${`cre-src_${namespace}_${name}`.slice(0, NAME_MAX - uid.length - 1)}_${uid}`;
}

/** The last part of a full name. */
export function idOf(fullName: string): string {
  return fullName.slice(fullName.lastIndexOf('/') + 1);
}

function ownKey(namespace: string, secret: SecretKey | undefined, readSecret: ReadSecret): Key | undefined {
  if (secret?.name === undefined || secret.key === undefined) return undefined;
  const text = readSecret(namespace, secret.name, secret.key);
  return text === undefined ? undefined : { text, of: `Secret ${namespace}/${secret.name}, ${secret.key}` };
}

function sharedKey(name: string | undefined, readSecret: ReadSecret): Key | undefined {
  const text = name === undefined ? undefined : readSecret(CONFIG_NAMESPACE, name, DEFAULT_SECRET.key);
  return text === undefined ? undefined : { text, of: `Secret ${CONFIG_NAMESPACE}/${name}` };
}

function isDemanded(secret: SecretKey | undefined): secret is SecretKey {
  if (secret === undefined || secret.optional === true) return false;
  return secret.name !== DEFAULT_SECRET.name || secret.key !== DEFAULT_SECRET.key;
}

function wayToMend(message: string, key: Key | undefined): string {
  if (message.startsWith('project:'))
    return `${message}; it is said in spec.project, or as project in ConfigMap ${CONFIG_NAMESPACE}/${CONFIG_MAP}`;
  return key !== undefined && message.startsWith('key.json:') ? `${key.of}: ${message}` : message;
}

function missing(reason: string, message: string): Planned<PubSubPlan> {
  return { kind: 'missing', mark: isFalse('PullSubscriptionReady', reason, message) };
}
