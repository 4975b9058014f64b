import {
  below,
  disallowedField,
  immutable,
  invalidValue,
  missingField,
  outOfBounds,
  pathless,
} from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { subdomainFaults } from '../../names.ts';
import { autoscalerConfig, type AutoscalerConfig } from '../../autoscaling/config.ts';
import { autoscalingErrors } from '../../autoscaling/validate.ts';
import { featureFlags, hasSecureDefaults } from '../features.ts';
import { nameErrors, ownerLabelErrors } from '../metadata.ts';
import { nodeStartErrors } from '../node-start.ts';
import { LABELS } from '../shared.ts';
import type { Container, Revision, RevisionSpec } from '../types.ts';
import { containerErrors, disallowed } from './validate-container.ts';
import { podSecurityErrors } from './validate-security.ts';
import { volumesErrors } from './validate-volumes.ts';

/** Fields of a Pod that no revision has (serving pkg/apis/serving/fieldmask.go, PodSpecMask). */
const POD_FIELDS = [
  'restartPolicy',
  'terminationGracePeriodSeconds',
  'activeDeadlineSeconds',
  'nodeName',
  'hostname',
  'subdomain',
  'readinessGates',
  'overhead',
  'ephemeralContainers',
  'priority',
  'preemptionPolicy',
  'setHostnameAsFQDN',
  'os',
  'hostUsers',
  'schedulingGates',
  'resourceClaims',
];
/** Those that a flag allows; it is named as the field is, in small letters. */
const FLAGGED_FIELDS = [
  'affinity',
  'nodeSelector',
  'tolerations',
  'topologySpreadConstraints',
  'hostAliases',
  'runtimeClassName',
  'schedulerName',
  'priorityClassName',
  'dnsPolicy',
  'dnsConfig',
  'securityContext',
  'shareProcessNamespace',
  'hostIPC',
  'hostPID',
  'hostNetwork',
];

/** serving pkg/apis/serving/k8s_validation.go and v1/revision_validation.go; paths are relative to the spec. */
export function revisionSpecErrors(spec: RevisionSpec, context: AdmissionContext): FieldError[] {
  const {
    containers = [],
    initContainers = [],
    volumes = [],
    serviceAccountName = '',
    securityContext,
  } = spec;
  const flags = featureFlags(context);
  const refused = FLAGGED_FIELDS.filter((field) => {
    const isSafe = field === 'securityContext' && hasSecureDefaults(context); // each of its fields is looked at below
    return !isSafe && flags(`kubernetes.podspec-${field.toLowerCase()}`) === 'disabled';
  });
  const mountsToken = Reflect.get(spec, 'automountServiceAccountToken') === true;
  return [
    ...disallowed(spec, [...POD_FIELDS, ...refused]),
    ...(mountsToken ? [disallowedField('automountServiceAccountToken')] : []),
    ...below('securityContext', podSecurityErrors(securityContext, context)),
    ...below('volumes', volumesErrors(volumes, [...initContainers, ...containers], flags)),
    ...initErrors(spec, context),
    ...containersErrors(spec, context),
    ...(serviceAccountName === '' ? [] : subdomainFaults(serviceAccountName)).map((fault) =>
      invalidValue(serviceAccountName, 'serviceAccountName', fault),
    ),
    ...boundsErrors(spec, context.configMap('knative-serving', 'config-defaults') ?? {}),
  ];
}

function boundsErrors(
  { containerConcurrency, timeoutSeconds = 0 }: RevisionSpec,
  config: Readonly<Record<string, string>>,
): FieldError[] {
  const timeoutMax = Number(config['max-revision-timeout-seconds'] ?? 600);
  const concurrencyMax = Number(config['container-concurrency-max-limit'] ?? 1000);
  const least = config['allow-container-concurrency-zero'] === 'false' ? 1 : 0;
  return [
    ...(containerConcurrency !== undefined &&
    (containerConcurrency < least || containerConcurrency > concurrencyMax)
      ? [outOfBounds(containerConcurrency, least, concurrencyMax, 'containerConcurrency')]
      : []),
    ...(timeoutSeconds < 0 || timeoutSeconds > timeoutMax
      ? [outOfBounds(timeoutSeconds, 0, timeoutMax, 'timeoutSeconds')]
      : []),
  ];
}

function containersErrors(
  { containers = [], volumes = [] }: RevisionSpec,
  context: AdmissionContext,
): FieldError[] {
  if (containers.length === 0) return [missingField('containers')];
  const ports = containers.flatMap((container) => container.ports ?? []);
  const serving = containers.findLast((container) => (container.ports ?? []).length > 0);
  const port = { name: serving?.ports?.[0]?.name || 'http' };
  const portFaults = below('containers[*]', portsErrors(containers, ports.length));
  if (containers.length > 1 && featureFlags(context)('multi-container') !== 'enabled')
    return [...portFaults, pathless(`multi-container is off, but found ${containers.length} containers`)];
  const names = containers.map(({ name }) => name);
  let errors: FieldError[] = [];
  for (const [i, container] of containers.entries()) {
    const isServing = containers.length === 1 || (container.ports ?? []).length > 0;
    const at = `containers[${i}]`;
    errors = [
      ...withDuplicate(errors, at, names[i], names.slice(0, i)),
      ...below(at, containerErrors(container, isServing ? 'serving' : 'sidecar', port, volumes, context)),
    ];
  }
  return [...portFaults, ...errors];
}

function portsErrors(containers: readonly Container[], count: number): FieldError[] {
  if (count === 0 && containers.length > 1) return [missingField('ports')];
  if (count <= 1) return [];
  const details = 'Only a single port is allowed across all containers';
  return [{ message: 'more than one container port is set', paths: ['ports'], details }];
}

/** Upstream names them as if they were the other containers. */
function initErrors(
  { initContainers = [], containers = [], volumes = [] }: RevisionSpec,
  context: AdmissionContext,
): FieldError[] {
  if (initContainers.length === 0) return [];
  const flag = featureFlags(context)('kubernetes.podspec-init-containers');
  if (flag !== 'enabled') {
    const message = `pod spec support for init-containers is off, but found ${initContainers.length} init containers`;
    return [pathless(message), ...(flag === 'disabled' ? [disallowedField('initContainers')] : [])];
  }
  const names = containers.map(({ name }) => name);
  let errors: FieldError[] = [];
  for (const [i, container] of initContainers.entries()) {
    const at = `containers[${i}]`;
    errors = [
      ...withDuplicate(errors, at, container.name, names),
      ...below(at, containerErrors(container, 'init', { name: '' }, volumes, context)),
    ];
  }
  return errors;
}

/** Upstream puts what it has found so far below the container whose name is taken. */
function withDuplicate(
  errors: readonly FieldError[],
  at: string,
  name: string | undefined,
  others: readonly (string | undefined)[],
): readonly FieldError[] {
  if (!others.includes(name)) return errors;
  return below(at, [...errors, { message: `duplicate container name "${name ?? ''}"`, paths: ['name'] }]);
}

export function autoscalerConfigIn(context: AdmissionContext): AutoscalerConfig {
  return autoscalerConfig(context.configMap('knative-serving', 'config-autoscaler'));
}

/** What is immutable is not looked at again: what may be written may have changed since. */
export function revisionErrors(revision: Revision, context: AdmissionContext): FieldError[] {
  const { metadata, spec } = revision;
  const before = (context.old as Revision | undefined)?.spec;
  const changed = before === undefined ? [] : immutable('{v1.RevisionSpec}', before, spec);
  if (changed.length > 0) return changed;
  return [
    ...below('metadata', nameErrors(metadata)),
    ...below('metadata.annotations', autoscalingErrors(metadata.annotations, autoscalerConfigIn(context))),
    ...below('metadata.annotations', nodeStartErrors(metadata.annotations)),
    ...ownerLabelErrors(metadata, LABELS.configuration),
    ...(before === undefined ? below('spec', revisionSpecErrors(spec ?? {}, context)) : []),
  ];
}
