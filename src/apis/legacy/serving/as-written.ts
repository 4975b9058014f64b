import { isDeepStrictEqual } from 'node:util';
import type { AdmissionContext } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import type { ServiceSpecThen } from './types.ts';

/**
 * Holds the spec that a client of v1alpha1 wrote, as JSON, so that it reads back what it applied: today's form does not tell
 * `runLatest` from the same thing said otherwise. It goes as soon as the spec is changed by a client of v1.
 */
export const AS_WRITTEN = 'serving.millrace.dev/v1alpha1-spec';

/** What was written in v1alpha1; undefined: nothing, or it cannot be read any more. */
export function writtenSpec({ metadata }: Pick<Resource, 'metadata'>): unknown {
  const text = metadata.annotations?.[AS_WRITTEN];
  if (text === undefined) return undefined;
  try {
    const spec: unknown = JSON.parse(text);
    return typeof spec === 'object' && spec !== null ? spec : undefined;
  } catch {
    return undefined; // somebody else wrote it
  }
}

export function withWritten<R extends Resource>(object: R, spec: object): R {
  const annotations = { ...object.metadata.annotations, [AS_WRITTEN]: JSON.stringify(spec) };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

export function withoutWritten<R extends Pick<Resource, 'metadata'>>(object: R): R {
  const { [AS_WRITTEN]: _written, ...annotations } = object.metadata.annotations ?? {};
  if (_written === undefined) return object;
  const { annotations: _all, ...metadata } = object.metadata;
  const isEmpty = Object.keys(annotations).length === 0;
  return { ...object, metadata: { ...metadata, ...(!isEmpty && { annotations }) } };
}

/** Drops what was written in v1alpha1 once it does not tell the spec any more; part of a kind's defaults. */
export function withoutStaleWritten<R extends Resource & { readonly spec?: unknown }>(
  object: R,
  { old }: AdmissionContext,
): R {
  const isSame = old?.metadata.annotations?.[AS_WRITTEN] === object.metadata.annotations?.[AS_WRITTEN];
  const before: unknown = Reflect.get(Object(old), 'spec');
  return old === undefined || !isSame || isDeepStrictEqual(before, object.spec)
    ? object
    : withoutWritten(object);
}

/** A Service of 2018 that is set to `manual`: its Route and Configuration are its owner's business. */
export function isManual(service: Pick<Resource, 'metadata'> & { readonly spec?: unknown }): boolean {
  const hasTemplate = Reflect.get(Object(service.spec), 'template') !== undefined;
  return !hasTemplate && (writtenSpec(service) as ServiceSpecThen | undefined)?.manual !== undefined;
}
