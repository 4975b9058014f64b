import type { Door } from '../channels/ingress/ingress.ts';
import type { DataPlane } from './data-plane.ts';

/** The channel of this platform that answers at a sink's address; undefined: it is somewhere else, or not there now. */
export function ownChannelAt(
  sinkUrl: string | undefined,
  { channels, eventsServer }: Pick<DataPlane, 'channels' | 'eventsServer'>,
): Door | undefined {
  const url = sinkUrl !== undefined && URL.canParse(sinkUrl) ? new URL(sinkUrl) : undefined;
  const [, namespace, name] = /^\/channels\/([^/]+)\/([^/]+)$/.exec(url?.pathname ?? '') ?? [];
  const isOurs = Number(url?.port) === eventsServer.port && namespace !== undefined && name !== undefined;
  const door = isOurs ? channels.door(namespace, name) : undefined;
  return door === 'opening' ? undefined : door;
}
