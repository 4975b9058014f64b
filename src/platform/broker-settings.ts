import type { Resource } from '../apis/resource.ts';
import type { SqliteStore } from '../apiserver/storage/sqlite-store.ts';
import type { PlatformOptions } from './options.ts';

const NAMESPACE = 'knative-eventing';
const RABBITMQ_SECRET = 'rabbitmq-channel-secret';
const WRITE = { writer: { user: 'system:masters' } };

type Data = Readonly<Record<string, string>>;

/** Writes what `--kafka`, `--rabbitmq` and `--pubsub-project` say to the ConfigMaps that channels read; a password goes to a Secret. */
export async function writeBrokerSettings(
  store: SqliteStore,
  { kafka, rabbitmq, pubsubProject }: PlatformOptions,
): Promise<void> {
  if (kafka !== undefined)
    await merge(store, 'ConfigMap', 'kafka-channel-config', { 'bootstrap.servers': kafka });
  if (pubsubProject !== undefined)
    await merge(store, 'ConfigMap', 'pubsub-channel-config', { project: pubsubProject });
  if (rabbitmq === undefined) return;
  if (new URL(rabbitmq).password === '')
    return merge(store, 'ConfigMap', 'rabbitmq-channel-config', { uri: rabbitmq }, ['auth.secret.ref.name']);
  await merge(store, 'Secret', RABBITMQ_SECRET, { uri: Buffer.from(rabbitmq).toString('base64') });
  const reference = { 'auth.secret.ref.name': RABBITMQ_SECRET };
  await merge(store, 'ConfigMap', 'rabbitmq-channel-config', reference, ['uri']);
}

/** These entries into the object's data, beside what is there; `without` are taken out. */
async function merge(
  store: SqliteStore,
  kind: 'ConfigMap' | 'Secret',
  name: string,
  data: Data,
  without: readonly string[] = [],
): Promise<void> {
  const key = { group: '', kind, namespace: NAMESPACE, name };
  const after = (stored: Resource | undefined): Resource => {
    const before = Object.entries(Object(stored === undefined ? {} : Reflect.get(stored, 'data')) as Data);
    const kept = before.filter(([entry]) => !without.includes(entry));
    const object = stored ?? { apiVersion: 'v1', kind, metadata: { name, namespace: NAMESPACE } };
    return { ...object, data: { ...Object.fromEntries(kept), ...data } } as Resource;
  };
  if (store.find(key) === undefined) await store.create(after(undefined), WRITE);
  else await store.update(key, after, WRITE);
}
