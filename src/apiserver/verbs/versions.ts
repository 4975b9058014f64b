import type { KindDefinition, PrinterColumn, VersionForm } from '../../apis/kind.ts';
import { apiVersionOf } from '../../apis/registry.ts';
import type { Resource } from '../../apis/resource.ts';
import { jsonSchemaOf, type JsonSchema } from '../../apis/schema.ts';
import { schemaOfKind, shapedBy } from '../storage/admission.ts';

type Place = { readonly kind: KindDefinition; readonly path: { readonly version: string } };

/** An object as it reads in the version that was asked for. */
export function inVersion({ kind, path: { version } }: Place, object: Resource): Resource {
  const shown = formOf(kind, version)?.fromStored(object) ?? object;
  return { ...shown, apiVersion: apiVersionOf(kind, version) };
}

/** An object that was written in that version, as it is kept; `stored` is what it replaces. Throws when it is none. */
export function toStored({ kind, path: { version } }: Place, object: Resource, stored?: Resource): Resource {
  const form = formOf(kind, version);
  if (form === undefined) return object;
  const shaped = shapedBy(kind, schemaIn(kind, version), object, (each) => form.validate?.(each) ?? []);
  return { ...form.toStored(shaped, stored), apiVersion: apiVersionOf(kind) };
}

const schemas = new WeakMap<VersionForm, JsonSchema>();

/** The schema that objects of this version are written by. */
export function schemaIn(kind: KindDefinition, version: string): JsonSchema {
  const form = formOf(kind, version);
  if (form === undefined) return schemaOfKind(kind);
  const known = schemas.get(form) ?? jsonSchemaOf(form.schema);
  schemas.set(form, known);
  return known;
}

export function columnsIn(kind: KindDefinition, version: string): readonly PrinterColumn[] {
  return formOf(kind, version)?.columns ?? kind.columns;
}

/** What whoever uses a version that is going away is told. */
export function deprecationOf({ kind, path: { version } }: Place): string[] {
  const { deprecation } = formOf(kind, version) ?? {};
  return deprecation === undefined ? [] : [deprecation];
}

function formOf(kind: KindDefinition, version: string): VersionForm | undefined {
  return kind.forms?.[version];
}
