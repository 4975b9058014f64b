import { createHash } from 'node:crypto';
import type { Resource } from '../../apis/resource.ts';
import type { CloudEvent } from '../../events/event.ts';

/** What became of an object. One that was found to be gone later is no more than its names. */
export type Seen = {
  readonly verb: 'add' | 'update' | 'delete';
  readonly object: Resource;
};

/** What an event says beside the object. */
export type EventFrame = {
  /** The URL of the cluster's API. */
  readonly source: string;
  /** `namespace/name` of the ApiServerSource: two of them tell of the same change in two events. */
  readonly teller: string;
  readonly nowMs: number;
};

/**
 * An event of an ApiServerSource (eventing pkg/adapter/apiserver/events/events.go). Its id is the same whenever the same
 * change is told again, so that a repeat after a crash can be known for one.
 */
export function apiServerEvent(
  { verb, object }: Seen,
  mode: 'Reference' | 'Resource',
  { source, teller, nowMs }: EventFrame,
): CloudEvent {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace = '', uid = '', resourceVersion = '' } = metadata;
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', idOf([teller, verb, apiVersion, kind, namespace, name, uid, resourceVersion])],
    ['source', source],
    ['type', `dev.knative.apiserver.${mode === 'Resource' ? 'resource' : 'ref'}.${verb}`],
    ['subject', selfLink({ apiVersion, kind, namespace, name })],
    ['time', new Date(nowMs).toISOString()],
    ['kind', kind],
    ['name', name],
  ]);
  if (namespace !== '') attributes.set('namespace', namespace); // an attribute has no empty value
  attributes.set('apiversion', apiVersion);
  const reference = { kind, ...(namespace !== '' && { namespace }), name, apiVersion };
  return {
    attributes,
    contentType: 'application/json',
    body: json(mode === 'Resource' ? object : reference),
  };
}

type CoreEvent = Resource & { readonly involvedObject?: Partial<ObjectNames> };
type ObjectNames = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

/** An event of the legacy source: the core/v1 Event itself (eventing-sources v0.2.0 pkg/adapter/kubernetesevents). */
export function kubernetesEvent(object: Resource): CloudEvent {
  const { involvedObject = {} } = object as CoreEvent;
  const { uid = '', creationTimestamp } = object.metadata;
  const { apiVersion = 'v1', kind = '', namespace = '', name = '' } = involvedObject;
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', uid],
    ['source', selfLink({ apiVersion, kind, namespace, name })],
    ['type', 'dev.knative.k8s.event'],
  ]);
  if (creationTimestamp !== undefined) attributes.set('time', creationTimestamp);
  return { attributes, contentType: 'application/json', body: json(object) };
}

/** The address of an object as upstream writes it: `/apis/v1/namespaces/default/pods/p`, and no namespace leaves its place empty. */
function selfLink({ apiVersion, kind, namespace, name }: ObjectNames): string {
  const isGroupAlone = apiVersion.includes('.') && !apiVersion.includes('/');
  const version = isGroupAlone ? `${apiVersion}/versionUnknown` : apiVersion;
  return `/apis/${version}/namespaces/${namespace}/${guessedPlural(kind)}/${encodeURIComponent(name)}`;
}

/** apimachinery meta.UnsafeGuessKindToResource. */
export function guessedPlural(kind: string): string {
  const singular = kind.toLowerCase();
  if (singular.endsWith('endpoints')) return singular;
  if (singular.endsWith('s')) return `${singular}es`;
  return singular.endsWith('y') ? `${singular.slice(0, -1)}ies` : `${singular}s`;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** A UUID made of what it stands for (RFC 9562, version 8). */
function idOf(parts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const groups = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    variant + hash.slice(17, 20),
  ];
  return [...groups, hash.slice(20, 32)].join('-');
}
