import type { Destination } from '../apis/duck.ts';
import { PROVISIONED_CHANNEL } from '../apis/legacy/eventing/channel.ts';
import { BUS_CHANNEL } from '../apis/legacy/channels/channel.ts';
import type { ReferenceThen } from '../apis/legacy/legacy-kind.ts';
import { groupOf } from '../apis/registry.ts';
import { KINDS } from '../apis/serving/types.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { findServed } from './translation.ts';

export const CHANNEL = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel' };
export const SUBSCRIPTION = { apiVersion: 'messaging.knative.dev/v1', kind: 'Subscription' };
const CORE_SERVICE = { apiVersion: 'v1', kind: 'Service' };

/** The domain of services in 2018, unless somebody had set another. */
const DOMAIN_THEN = 'example.com';

/** The host name of a channel inside the cluster (eventing 540e45168, pkg/controller/names.go). */
export const channelHost = (name: string, namespace: string): string =>
  `${name}-channel.${namespace}.svc.cluster.local`;

/** Whom a DNS name of then means: a channel or a service of this platform, or whoever has that name outside. */
export async function destinationNamed(
  cluster: ResourceClient,
  name: string,
  namespace: string,
): Promise<Destination> {
  if (/^https?:\/\//.test(name)) return { uri: name };
  const [first = '', space = namespace, ...domain] = name.split('.');
  const rest = domain.join('.');
  if (rest === 'channels.cluster.local') return channelIn(first, space);
  const channel = first.endsWith('-channel') ? first.slice(0, -'-channel'.length) : undefined;
  if (channel !== undefined && isLocal(rest) && (await hasChannel(cluster, channel, space)))
    return channelIn(channel, space);
  const service = await serviceIn(cluster, first, space);
  if (service !== undefined) return service;
  const isMeant = isLocal(rest) ? name.split('.').length !== 2 : rest === DOMAIN_THEN;
  return isMeant ? refTo(KINDS.service, first, space) : { uri: `http://${name}/` };
}

/** `name`, `name.namespace`, and with `svc` or `svc.cluster.local` behind it. */
const isLocal = (rest: string): boolean => ['', 'svc', 'svc.cluster.local'].includes(rest);

const channelIn = (name: string, namespace: string): Destination => refTo(CHANNEL, name, namespace);

function refTo(
  { apiVersion, kind }: { apiVersion: string; kind: string },
  name: string,
  namespace: string,
): Destination {
  return { ref: { apiVersion, kind, name, namespace } };
}

async function hasChannel(cluster: ResourceClient, name: string, namespace: string): Promise<boolean> {
  for (const kind of [CHANNEL, BUS_CHANNEL, PROVISIONED_CHANNEL])
    if (isThere(await findServed(cluster, kind, namespace, name))) return true;
  return false;
}

async function serviceIn(
  cluster: ResourceClient,
  name: string,
  namespace: string,
): Promise<Destination | undefined> {
  for (const kind of [KINDS.service, KINDS.route, CORE_SERVICE])
    if (isThere(await findServed(cluster, kind, namespace, name))) return refTo(kind, name, namespace);
  return undefined;
}

const isThere = (found: unknown): boolean => found !== undefined && found !== 'unknown';

/** A reference of then in today's versions: serving has one API by now, and channels are those of messaging. */
export function referenceNow({
  apiVersion = '',
  kind = '',
  name = '',
  namespace,
}: ReferenceThen): Destination['ref'] & object {
  const group = groupOf(apiVersion);
  const isChannelThen =
    kind === 'Channel' &&
    [BUS_CHANNEL, PROVISIONED_CHANNEL].some((each) => groupOf(each.apiVersion) === group);
  const now = isChannelThen
    ? CHANNEL
    : { apiVersion: group === 'serving.knative.dev' ? KINDS.service.apiVersion : apiVersion, kind };
  return { ...now, name, ...(namespace !== undefined && { namespace }) };
}
