import type { AdmissionContext, FieldError, KindDefinition } from '../../apis/kind.ts';
import { denialText } from '../../apis/field-error.ts';
import { labelFault, subdomainFault } from '../../apis/names.ts';
import type { ObjectMeta, Resource } from '../../apis/resource.ts';
import { jsonSchemaOf, type JsonSchema } from '../../apis/schema.ts';
import { pruned, shapeFaults, type ShapeFault } from '../../apis/shape.ts';
import { isHeard, publishSignal } from '../../telemetry/signals.ts';
import { ApiError, invalid, type Cause } from './api-error.ts';
import { METADATA_SCHEMA } from './metadata-schema.ts';

const schemas = new WeakMap<KindDefinition, JsonSchema>();

/** The JSON schema of a kind's members beside its metadata. */
export function schemaOfKind(kind: KindDefinition): JsonSchema {
  const known = schemas.get(kind) ?? jsonSchemaOf(kind.schema);
  schemas.set(kind, known);
  return known;
}

const QUALIFIED = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const ANNOTATIONS_BYTES_MAX = 256 * 1024;

/** Changes an object on its way in, as a mutating webhook does: after its shape is known to be right, before its defaults. */
export type Mutate = (object: Resource) => Resource;

/** Takes an object in: without what its schema does not know, with its defaults, and valid; or throws an ApiError (S5). */
export function admit(
  kind: KindDefinition,
  object: Resource,
  context: AdmissionContext,
  mutate: Mutate = (shaped) => shaped,
): Resource {
  const { apiVersion, kind: kindName, metadata: given, ...members } = object;
  const metadata = pruned(METADATA_SCHEMA, given) as ObjectMeta; // once the next line has passed it
  refuse(kind, given.name, causesOf(shapeFaults(METADATA_SCHEMA, metadata, 'metadata')));
  const known = pruned(schemaOfKind(kind), members) as Record<string, unknown>;
  const shaped: Resource = { apiVersion, kind: kindName, metadata, ...known };
  refuse(kind, metadata.name, metadataCauses(kind, shaped));
  refuse(kind, metadata.name, causesOf(shapeFaults(schemaOfKind(kind), known)));
  const beganMs = performance.now();
  const complete = kind.setDefaults(mutate(shaped), context);
  const errors = kind.validate(complete, context);
  if (kind.webhook !== undefined && isHeard('api.admitted'))
    publishSignal('api.admitted', {
      atMs: Date.now(),
      operation: context.operation,
      apiVersion,
      kind: kindName,
      isAllowed: errors.length === 0,
      tookMs: performance.now() - beganMs,
    });
  if (errors.length === 0) return complete;
  throw denied(kind, complete, errors);
}

/** An object of another form than the one that is kept: without what its schema does not know, and valid by its own rules. */
export function shapedBy(
  kind: KindDefinition,
  schema: JsonSchema,
  object: Resource,
  validate: (object: Resource) => readonly FieldError[],
): Resource {
  const { apiVersion, kind: kindName, metadata, ...members } = object;
  const known = pruned(schema, members) as Record<string, unknown>;
  refuse(kind, metadata.name, causesOf(shapeFaults(schema, known)));
  const shaped: Resource = { apiVersion, kind: kindName, metadata, ...known };
  const errors = validate(shaped);
  if (errors.length > 0) throw denied(kind, shaped, errors);
  return shaped;
}

function denied(kind: KindDefinition, object: Resource, errors: readonly FieldError[]): ApiError {
  const webhook = kind.webhookOf?.(object) ?? kind.webhook;
  if (webhook !== undefined) return new ApiError(400, 'BadRequest', denialText(webhook, errors));
  const causes = errors.map(({ message, paths }) => ({
    reason: 'FieldValueInvalid',
    message,
    field: paths.join(', '),
  }));
  return invalid(kind, object.metadata.name, causes);
}

function refuse(kind: KindDefinition, name: string, causes: readonly Cause[]): void {
  if (causes.length > 0) throw invalid(kind, name, causes);
}

function causesOf(faults: readonly ShapeFault[]): Cause[] {
  const reasons = {
    Invalid: 'FieldValueInvalid',
    Required: 'FieldValueRequired',
    NotSupported: 'FieldValueNotSupported',
  };
  return faults.map(({ path, reason, message }) => ({
    reason: reasons[reason],
    message,
    field: path,
  }));
}

function metadataCauses(kind: KindDefinition, { metadata }: Resource): Cause[] {
  const causes: Cause[] = [];
  const add = (field: string, value: unknown, why: string): void => {
    causes.push({
      reason: 'FieldValueInvalid',
      field,
      message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    });
  };
  const { name, labels = {}, annotations = {} } = metadata;
  const nameFault = kind.kind === 'Namespace' ? labelFault(name) : subdomainFault(name);
  if (nameFault !== undefined) add('metadata.name', name, nameFault);
  for (const [key, value] of Object.entries(labels)) {
    if (!QUALIFIED.test(key))
      add(
        'metadata.labels',
        key,
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      );
    if (!LABEL_VALUE.test(value))
      add(
        'metadata.labels',
        value,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      );
  }
  for (const key of Object.keys(annotations)) {
    if (!QUALIFIED.test(key.toLowerCase())) add('metadata.annotations', key, 'is no qualified name');
  }
  if (JSON.stringify(annotations).length > ANNOTATIONS_BYTES_MAX) {
    causes.push({
      reason: 'FieldValueTooLong',
      field: 'metadata.annotations',
      message: `Too long: may not be more than ${ANNOTATIONS_BYTES_MAX} bytes`,
    });
  }
  return causes;
}
