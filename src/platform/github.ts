import { GITHUB_SOURCE } from '../apis/sources/github-source/schema.ts';
import { KINDS } from '../apis/serving/types.ts';
import { keyOf } from '../apis/resource.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { gitHubSourceReconciler } from '../sources/control/github-reconciler.ts';
import type { StartOne } from './controllers.ts';
import type { PlatformOptions } from './options.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };

/** Starts the reconciler of GitHubSources. */
export function gitHubController(
  client: EmbeddedClient,
  informers: Informers,
  options: PlatformOptions,
  gatewayPort: number,
): (start: StartOne) => void {
  const base = options.publicUrl?.replace(/\/$/, '') ?? `http://${options.gateway.host}:${gatewayPort}`;
  const webhookUrlOf = (namespace: string, name: string): string => `${base}/webhooks/${namespace}/${name}`;
  const everySource = (): readonly string[] => informers.of(GITHUB_SOURCE).all().map(keyOf);
  const watched = [SECRET, CHANNEL, KINDS.service, KINDS.route].map((kind) => ({
    kind,
    concerns: everySource,
  }));
  return (start) => void start(client, gitHubSourceReconciler(client, { webhookUrlOf }), watched);
}
