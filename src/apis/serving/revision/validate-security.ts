import { below, disallowedField, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { featureFlags, hasSecureDefaults } from '../features.ts';
import type { SecurityContext } from '../types.ts';

/** Fields that a container's securityContext may have (fieldmask.go, SecurityContextMask). */
const CONTAINER_FIELDS = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'allowPrivilegeEscalation',
  'readOnlyRootFilesystem',
  'capabilities',
  'seccompProfile',
];
/** Those that a Pod's may have, with its flag (PodSecurityContextMask). */
const POD_FIELDS = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'fsGroup',
  'supplementalGroups',
  'seccompProfile',
];
const SAFE_PROFILES = ['RuntimeDefault', 'Unconfined'];
const LOW_PORT = 'NET_BIND_SERVICE';
const ID_MAX = 2 ** 31 - 1;

/** serving pkg/apis/serving/k8s_validation.go, validateSecurityContext; it may set `privileged` to false alone. */
export function containerSecurityErrors(
  security: SecurityContext | undefined,
  context: AdmissionContext,
): FieldError[] {
  if (security === undefined) return [];
  const fields = namesOf(security).filter(
    (field) => !CONTAINER_FIELDS.includes(field) && !(field === 'privileged' && isFalse(security, field)),
  );
  return [
    ...fields.map((field) => disallowedField(field)),
    ...(mayAdd(security, context) ? [] : [disallowedField('capabilities.add')]),
    ...idErrors(security, ['runAsUser', 'runAsGroup']),
  ];
}

/** ValidatePodSecurityContext: without its flag, none but a safe seccompProfile beside secure defaults. */
export function podSecurityErrors(
  security: SecurityContext | undefined,
  context: AdmissionContext,
): FieldError[] {
  if (security === undefined) return [];
  const isAllowed = featureFlags(context)('kubernetes.podspec-securitycontext') !== 'disabled';
  const profile: unknown = Reflect.get(Object(security.seccompProfile), 'type');
  const isSafe = hasSecureDefaults(context) && SAFE_PROFILES.some((each) => each === profile);
  const allowed = isAllowed ? POD_FIELDS : isSafe ? ['seccompProfile'] : [];
  return [
    ...namesOf(security)
      .filter((field) => !allowed.includes(field))
      .map((field) => disallowedField(field)),
    ...idErrors(security, ['runAsUser', 'runAsGroup', 'fsGroup']),
    ...groupErrors(Reflect.get(security, 'supplementalGroups')),
  ];
}

function mayAdd({ capabilities = {} }: SecurityContext, context: AdmissionContext): boolean {
  const { add = [] } = capabilities;
  if (add.length === 0 || featureFlags(context)('kubernetes.containerspec-addcapabilities') === 'enabled')
    return true;
  return hasSecureDefaults(context) && add.length === 1 && add[0] === LOW_PORT;
}

function idErrors(security: SecurityContext, fields: readonly string[]): FieldError[] {
  return fields.flatMap((field) => {
    const id: unknown = Reflect.get(security, field);
    return isOutside(id) ? [outOfBounds(id, 0, ID_MAX, field)] : [];
  });
}

function groupErrors(groups: unknown): FieldError[] {
  const ids: readonly unknown[] = Array.isArray(groups) ? groups : [];
  return ids.flatMap((id, i) =>
    isOutside(id) ? below(`supplementalGroups[${i}]`, [outOfBounds(id, 0, ID_MAX, '')]) : [],
  );
}

const isOutside = (id: unknown): boolean => typeof id === 'number' && (id < 0 || id > ID_MAX);

const isFalse = (object: object, field: string): boolean => Reflect.get(object, field) === false;

const namesOf = (object: object): string[] =>
  Object.keys(object).filter((name) => {
    const value: unknown = Reflect.get(object, name);
    return value !== undefined && !(Array.isArray(value) && value.length === 0);
  });
