import { isDeepStrictEqual } from 'node:util';
import { parseGoDuration } from '../../base/duration.ts';
import { below, invalidValue } from '../field-error.ts';
import type { AdmissionContext, FieldError } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { ANNOTATIONS, GROUP, LABELS, ROLLOUT_DURATION } from './shared.ts';

type Written = Resource & { readonly spec?: unknown };

/** What the metadata of a Service, Configuration or Route may not say (serving pkg/apis/serving/v1, metadata_validation.go). */
export function metadataErrors(
  object: Written,
  { old }: AdmissionContext,
  ownLabels: readonly string[] = [],
): FieldError[] {
  const { labels = {}, annotations = {} } = object.metadata;
  return below('metadata', [
    ...below('labels', labelErrors(labels, ownLabels)),
    ...below('annotations', [...rolloutErrors(annotations), ...userErrors(object, old)]),
  ]);
}

function labelErrors(labels: Readonly<Record<string, string>>, own: readonly string[]): FieldError[] {
  return Object.entries(labels).flatMap(([name, value]) => {
    if (name === LABELS.visibility) return value === 'cluster-local' ? [] : [invalidValue(value, name)];
    const isOurs = name.startsWith(`${GROUP}/`) && !own.includes(name);
    return isOurs ? [{ message: `invalid key name ${JSON.stringify(name)}`, paths: [''] }] : [];
  });
}

function rolloutErrors(annotations: Readonly<Record<string, string>>): FieldError[] {
  const name = ROLLOUT_DURATION.find((each) => annotations[each] !== undefined);
  const value = name === undefined ? undefined : annotations[name];
  if (name === undefined || !value) return [];
  const ms = parseGoDuration(value);
  if (ms === undefined) return [invalidValue(value, name)];
  if (ms % 1000 !== 0)
    return [{ message: `rollout-duration=${value} is not at second precision`, paths: [name] }];
  return ms < 0 ? [{ message: `rollout-duration=${value} must be positive`, paths: [name] }] : [];
}

/** Who made an object stays so, and who changed it last changes with its spec alone; what is left out is kept. */
function userErrors({ metadata, ...object }: Written, old: Written | undefined): FieldError[] {
  if (old === undefined || (metadata.ownerReferences ?? []).length > 0) return [];
  const before = old.metadata.annotations ?? {};
  const isOther = (name: string): boolean => {
    const now = metadata.annotations?.[name];
    return now !== undefined && before[name] !== undefined && now !== before[name];
  };
  const made = isOther(ANNOTATIONS.creator)
    ? [{ message: 'annotation value is immutable', paths: [ANNOTATIONS.creator] }]
    : [];
  const isSame = isDeepStrictEqual(object.spec, old.spec);
  return isSame && isOther(ANNOTATIONS.lastModifier)
    ? [...made, invalidValue(metadata.annotations?.[ANNOTATIONS.lastModifier], ANNOTATIONS.lastModifier)]
    : made;
}
