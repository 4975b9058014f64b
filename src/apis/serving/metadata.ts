import { isDeepStrictEqual } from 'node:util';
import { parseGoDuration } from '../../base/duration.ts';
import { below, invalidKeyName, invalidValue, missingField } from '../field-error.ts';
import type { AdmissionContext, FieldError } from '../kind.ts';
import { dns1035Faults } from '../names.ts';
import type { ObjectMeta, Resource } from '../resource.ts';
import { ANNOTATIONS, LABELS, ROLLOUT_DURATION } from './shared.ts';

type Written = Resource & { readonly spec?: unknown };
type Annotations = Readonly<Record<string, string>>;

/** What the metadata of a Service, Configuration or Route may not say (serving pkg/apis/serving/metadata_validation.go). */
export function metadataErrors(object: Written, { old }: AdmissionContext): FieldError[] {
  const { annotations = {} } = object.metadata;
  return below('metadata', [
    ...nameErrors(object.metadata),
    ...below('annotations', [...misplacedErrors(annotations), ...userErrors(object, old)]),
  ]);
}

/** Of a Service or a Route; of a Configuration nobody reads it. */
export function rolloutErrors(annotations: Annotations = {}): FieldError[] {
  return below('metadata.annotations', secondsErrors(annotations, ROLLOUT_DURATION, 'rollout-duration'));
}

/** What is made for another object has a label that names it, and only that (verifyLabelOwnerRef). */
export function ownerLabelErrors(
  { labels = {}, ownerReferences = [] }: ObjectMeta,
  label: string,
): FieldError[] {
  const value = labels[label];
  const owner = label === LABELS.service ? 'Service' : 'Configuration';
  const isOwned = ownerReferences.some(({ kind, name }) => kind === owner && name === value);
  return value === undefined || isOwned ? [] : below('metadata.labels', [missingField(label)]);
}

/** knative pkg/apis/metadata_validation.go; paths are relative to the metadata. */
export function nameErrors({ name, generateName = '' }: Partial<ObjectMeta>): FieldError[] {
  const faults = name ? dns1035Faults(name) : [];
  const prefixFaults = generateName === '' ? [] : dns1035Faults(withoutDash(generateName));
  if (prefixFaults.length > 0)
    return [{ message: `not a DNS 1035 label prefix: [${prefixFaults.join(' ')}]`, paths: ['generateName'] }];
  return faults.length === 0
    ? []
    : [{ message: `not a DNS 1035 label: [${faults.join(' ')}]`, paths: ['name'] }];
}

/** A prefix may end with a dash, which what is generated then follows (apimachinery: maskTrailingDash). */
export function withoutDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix;
}

/** A span of whole seconds in the first of these annotations that is there. */
export function secondsErrors(
  annotations: Annotations,
  names: readonly string[],
  what: string,
): FieldError[] {
  const name = names.find((each) => annotations[each] !== undefined);
  const value = name === undefined ? undefined : annotations[name];
  if (name === undefined || !value) return [];
  const ms = parseGoDuration(value);
  if (ms === undefined) return [invalidValue(value, name)];
  if (ms % 1000 !== 0) return [{ message: `${what}=${value} is not at second precision`, paths: [name] }];
  return ms < 0 ? [{ message: `${what}=${value} must be positive`, paths: [name] }] : [];
}

/** On the object itself autoscaling annotations would do nothing. */
function misplacedErrors(annotations: Annotations): FieldError[] {
  const misplaced = Object.keys(annotations).filter((name) => name.startsWith('autoscaling.knative.dev'));
  const details = 'autoscaling annotations must be put under "spec.template.metadata.annotations" to work';
  return misplaced.map((name) => invalidKeyName(name, '', details));
}

/** Who made an object stays so, and who changed it last changes with its spec alone; what is left out is kept. */
export function userErrors({ metadata, ...object }: Written, old: Written | undefined): FieldError[] {
  if (old === undefined || (metadata.ownerReferences ?? []).length > 0) return [];
  const before = old.metadata.annotations ?? {};
  const isOther = (name: string): boolean => {
    const now = metadata.annotations?.[name];
    return now !== undefined && now !== (before[name] ?? '');
  };
  const made = isOther(ANNOTATIONS.creator)
    ? [{ message: 'annotation value is immutable', paths: [ANNOTATIONS.creator] }]
    : [];
  const isSame = isDeepStrictEqual(object.spec, old.spec);
  return isSame && isOther(ANNOTATIONS.lastModifier)
    ? [...made, invalidValue(metadata.annotations?.[ANNOTATIONS.lastModifier], ANNOTATIONS.lastModifier)]
    : made;
}
