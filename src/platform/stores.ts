import { join } from 'node:path';
import { KindRegistry } from '../apis/registry.ts';
import { bindSink } from '../apis/sources/sink-binding/bind.ts';
import { Lifecycle } from '../apiserver/storage/lifecycle.ts';
import { SqliteStore } from '../apiserver/storage/sqlite-store.ts';
import { TokenAuthority } from '../apiserver/tokens/token-authority.ts';
import { systemClock } from '../base/clock.ts';
import { LogStore } from '../channels/log/log-store.ts';
import { Journal } from '../telemetry/journal.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { writeBrokerSettings } from './broker-settings.ts';
import { SHIPPED_CONFIG_MAPS } from './config-maps.ts';
import { takeDataDir } from './data-dir.ts';
import type { PlatformOptions } from './options.ts';
import type { Teardown } from './teardown.ts';

/** What keeps things: objects, events, and what is said about them. */
export type Stores = {
  readonly objects: SqliteStore;
  readonly events: LogStore;
  readonly journal: Journal;
  readonly metrics: Metrics;
  /** What the tokens of service accounts are made with. */
  readonly tokens: TokenAuthority;
  /** Resolves when one of them has failed for good. */
  readonly failed: Promise<Error>;
};

const NAMESPACES = ['default', 'kube-system', 'knative-serving', 'knative-eventing', 'istio-system'];

export async function openStores(options: PlatformOptions, teardown: Teardown): Promise<Stores> {
  const { dataDir, acceptLoss, drainMs } = options;
  const clock = systemClock;
  const failure = Promise.withResolvers<Error>();
  teardown.last('data folder', takeDataDir(dataDir));
  const journal = new Journal();
  teardown.last('journal', () => journal.close());
  const metrics = new Metrics();
  teardown.last('metrics', () => metrics.close());
  const onFailure = (error: Error): void => failure.resolve(error);
  const objects = await SqliteStore.open({
    file: join(dataDir, 'objects.db'),
    kinds: new KindRegistry(),
    clock,
    acceptLoss,
    onFailure,
    mutate: bindSink,
  });
  teardown.last('objects', () => objects.close());
  const events = await LogStore.open({
    file: join(dataDir, 'events.db'),
    clock,
    journal,
    acceptLoss,
    graceMs: drainMs,
    bounds: boundsOf(options),
  });
  teardown.last('events', () => events.close());
  events.lost.addEventListener('abort', () => failure.resolve(events.lost.reason as Error)); // aborted with an Error
  await ship(objects);
  await writeBrokerSettings(objects, options);
  const lifecycle = new Lifecycle(objects);
  lifecycle.start();
  teardown.first('lifecycle', () => lifecycle.close());
  const tokens = TokenAuthority.open(join(dataDir, 'pki'), clock);
  return { objects, events, journal, metrics, tokens, failed: failure.promise };
}

function boundsOf({
  maxEventBytes,
  maxBacklogBytes,
  tailCacheBytes,
}: PlatformOptions): Parameters<typeof LogStore.open>[0]['bounds'] & object {
  return {
    eventBytesMax: maxEventBytes,
    ...(maxBacklogBytes !== undefined && {
      backlogBytesMax: maxBacklogBytes,
      groupBacklogBytesMax: maxBacklogBytes / 4,
    }),
    ...(tailCacheBytes !== undefined && { tailCacheBytes }),
  };
}

/** What a new platform has from the start. */
async function ship(store: SqliteStore): Promise<void> {
  const writer = { user: 'system:masters' };
  for (const name of NAMESPACES) {
    if (store.find({ group: '', kind: 'Namespace', namespace: undefined, name }) !== undefined) continue;
    await store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { writer });
  }
  for (const { namespace, name, data } of SHIPPED_CONFIG_MAPS) {
    if (store.find({ group: '', kind: 'ConfigMap', namespace, name }) !== undefined) continue;
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
    await store.create(configMap, { writer });
  }
}
