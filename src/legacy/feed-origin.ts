import type { Trigger } from '../apis/legacy/feeds/trigger.ts';
import { CLUSTER_EVENT_SOURCE, EVENT_SOURCE, type EventSource } from '../apis/legacy/feeds/event-source.ts';
import { CLUSTER_EVENT_TYPE, EVENT_TYPE, type EventType } from '../apis/legacy/feeds/event-type.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { findServed } from './translation.ts';

/** The systems whose events were fed in 2018, and are by today's sources. */
export type Origin = 'github' | 'k8sevents' | 'gcppubsub';

/** As sources, services and event types were called (eventing 540e45168, pkg/sources). */
const NAMES: readonly (readonly [Origin, RegExp])[] = [
  ['github', /^(?:github|dev\.knative\.(?:source\.)?github\..+|pullrequest)$/],
  ['k8sevents', /^(?:k8sevents|dev\.knative\.k8s\.event(?:\..+)?|receiveevent)$/],
  ['gcppubsub', /^(?:gcppubsub|pubsub\.googleapis\.com|google\.pubsub\..+|receive)$/],
];

export function originNamed(name: string): Origin | undefined {
  return NAMES.find(([, pattern]) => pattern.test(name))?.[0];
}

/** What one of an EventSource's names says; its image was run then, and is not now. */
export function originOfSource({ metadata, spec }: EventSource): Origin | undefined {
  const names = [spec?.source, spec?.type, metadata.name];
  return names.map((name) => originNamed(name ?? '')).find((origin) => origin !== undefined);
}

export const NO_FEEDLETS =
  'no program is run to start its feeds; sources that are called github, k8sevents or gcppubsub need none';

export type OriginFound =
  | { readonly kind: 'found'; readonly origin: Origin }
  | { readonly kind: 'none'; readonly reason: string; readonly message: string };

/** The system behind a trigger: by its EventType and that one's EventSource, or by the names that were shipped. */
export async function originOf(
  cluster: ResourceClient,
  { eventType = '', clusterEventType = '', service = '' }: Trigger,
  namespace: string,
): Promise<OriginFound> {
  const isLocal = eventType !== '';
  const [kind, name] = isLocal ? [EVENT_TYPE, eventType] : [CLUSTER_EVENT_TYPE, clusterEventType];
  const type = await findServed(cluster, kind, isLocal ? namespace : undefined, name);
  if (typeof type === 'object') return originOfType(cluster, type as EventType, namespace);
  const origin = originNamed(service) ?? originNamed(name);
  if (origin !== undefined) return { kind: 'found', origin };
  const title = `${kind.kind} ${isLocal ? `${namespace}/${name}` : name}`;
  const message = `${title} is not there; only those of github, k8sevents and gcppubsub need no object`;
  return { kind: 'none', reason: `${kind.kind}DoesNotExist`, message };
}

/** Of an EventType; its source needs no object when it is one of those that were shipped. */
export async function originOfType(
  cluster: ResourceClient,
  { spec }: EventType,
  namespace: string | undefined,
): Promise<OriginFound> {
  const { eventSource = '', clusterEventSource = '' } = spec ?? {};
  const isLocal = eventSource !== '';
  const [kind, name] = isLocal ? [EVENT_SOURCE, eventSource] : [CLUSTER_EVENT_SOURCE, clusterEventSource];
  const found = await findServed(cluster, kind, isLocal ? namespace : undefined, name);
  const source = typeof found === 'object' ? (found as EventSource) : undefined;
  const origin = source === undefined ? originNamed(name) : originOfSource(source);
  if (origin !== undefined) return { kind: 'found', origin };
  return source === undefined
    ? { kind: 'none', reason: `${kind.kind}DoesNotExist`, message: `${kind.kind} ${name} is not there` }
    : { kind: 'none', reason: 'FeedletsNotRun', message: `${kind.kind} ${name}: ${NO_FEEDLETS}` };
}
