import { passesFilters } from '../../apis/event-filters.ts';
import type { Resource } from '../../apis/resource.ts';
import type { CloudEvent } from '../../events/event.ts';
import { apiServerEvent, kubernetesEvent, type Seen } from './cluster-event.ts';
import type { Tells } from './plan.ts';

/**
 * Whether an object passes `spec.owner`: it is controlled by one of that kind, or is one itself (eventing
 * pkg/apis/sources/v1/apiserver_types.go, ResourceOwner).
 */
export function isConcerned(tells: Tells, { apiVersion, kind, metadata }: Resource): boolean {
  if (tells.kind === 'core-events' || tells.owner === undefined) return true;
  const { owner } = tells;
  const isOwner = (of: { readonly apiVersion: string; readonly kind: string }): boolean =>
    (!owner.apiVersion || owner.apiVersion === of.apiVersion) && owner.kind === of.kind;
  const controller = (metadata.ownerReferences ?? []).find((each) => each.controller === true);
  return isOwner({ apiVersion, kind }) || (controller !== undefined && isOwner(controller));
}

/** The event of a change; undefined when none is to be told. */
export function eventOf(tells: Tells, seen: Seen, source: string, nowMs: number): CloudEvent | undefined {
  if (tells.kind === 'core-events') return seen.verb === 'delete' ? undefined : kubernetesEvent(seen.object);
  const event = apiServerEvent(seen, tells.mode, { source, teller: tells.teller, nowMs });
  return passesFilters(tells.filters, attributesOf(event)) ? event : undefined;
}

/** All of them, as filters name them: in an event its media type stands beside the others. */
function attributesOf({ attributes, contentType }: CloudEvent): ReadonlyMap<string, string> {
  return contentType === undefined ? attributes : new Map(attributes).set('datacontenttype', contentType);
}
