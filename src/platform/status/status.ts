import { join } from 'node:path';
import { packageVersion } from '../../cli/version.ts';
import type { SqliteStore } from '../../apiserver/storage/sqlite-store.ts';
import type { InstanceUsage } from '../../serving/usage/usage-meter.ts';
import { askBacklogs } from '../channel-figures.ts';
import type { OpenChannel } from '../channel-host.ts';
import type { Endpoints } from '../options.ts';
import { subscribersOf } from '../trace/subscribers.ts';
import { notReady } from './not-ready.ts';

export type StatusSources = {
  readonly dataDir: string;
  readonly endpoints: () => Endpoints;
  readonly store: SqliteStore;
  readonly channels: () => readonly OpenChannel[];
  /** What instances use now. */
  readonly figures: () => Promise<readonly InstanceUsage[]>;
  readonly isReady: () => boolean;
};

/** What `millrace status -o json` prints. */
export async function statusOf(sources: StatusSources): Promise<unknown> {
  const { dataDir, endpoints, store, channels, figures, isReady } = sources;
  const instances = await figures();
  const { told, away } = await askBacklogs(channels());
  const names = namesOf(store, told);
  return {
    version: packageVersion(),
    pid: process.pid,
    ready: isReady(),
    dataDir,
    kubeconfig: join(dataDir, 'kubeconfig'),
    endpoints: endpoints(),
    subscriptions: told.map((each) => ({ ...each, subscription: names.get(each.group) })),
    away,
    memoryBytes: process.memoryUsage.rss(),
    notReady: notReady(store),
    instances: instances.map(({ id, revision, cores, memoryBytes }) => ({
      namespace: revision.split('/')[0],
      pod: id,
      cores,
      memoryBytes,
    })),
  };
}

/** Of subscriptions, by what their channel calls them. */
function namesOf(
  store: SqliteStore,
  told: readonly { readonly channel: string }[],
): ReadonlyMap<string, string> {
  const all = [...new Set(told.map(({ channel }) => channel))].flatMap((key) => subscribersOf(store, key));
  return new Map(all.map(({ group, subscription }) => [group, subscription]));
}
