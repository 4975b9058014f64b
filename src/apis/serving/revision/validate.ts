import {
  below,
  disallowedField,
  immutable,
  invalidValue,
  missingField,
  outOfBounds,
} from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { subdomainFault } from '../../names.ts';
import { autoscalerConfig, type AutoscalerConfig } from '../../autoscaling/config.ts';
import { autoscalingErrors } from '../../autoscaling/validate.ts';
import { featureFlags } from '../features.ts';
import { nodeStartErrors } from '../node-start.ts';
import type { Container, Revision, RevisionSpec } from '../types.ts';
import { containerErrors, disallowed, idErrors } from './validate-container.ts';
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

type Flags = ReturnType<typeof featureFlags>;

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
  const refused = FLAGGED_FIELDS.filter(
    (field) => flags(`kubernetes.podspec-${field.toLowerCase()}`) === 'disabled',
  );
  const accountFault = serviceAccountName === '' ? undefined : subdomainFault(serviceAccountName);
  return [
    ...disallowed(spec, [...POD_FIELDS, ...refused]),
    ...(securityContext === undefined ? [] : below('securityContext', idErrors(securityContext))),
    ...below('volumes', volumesErrors(volumes, [...initContainers, ...containers], flags)),
    ...initErrors(spec, flags),
    ...containersErrors(spec, flags),
    ...(accountFault === undefined
      ? []
      : [invalidValue(serviceAccountName, 'serviceAccountName', accountFault)]),
    ...boundsErrors(spec, context.configMap('knative-serving', 'config-defaults') ?? {}),
  ];
}

function boundsErrors(
  { containerConcurrency = 0, timeoutSeconds = 0 }: RevisionSpec,
  config: Readonly<Record<string, string>>,
): FieldError[] {
  const timeoutMax = Number(config['max-revision-timeout-seconds'] ?? 600);
  const concurrencyMax = Number(config['container-concurrency-max-limit'] ?? 1000);
  const least = config['allow-container-concurrency-zero'] === 'false' ? 1 : 0;
  return [
    ...(containerConcurrency < least || containerConcurrency > concurrencyMax
      ? [outOfBounds(containerConcurrency, least, concurrencyMax, 'containerConcurrency')]
      : []),
    ...(timeoutSeconds < 0 || timeoutSeconds > timeoutMax
      ? [outOfBounds(timeoutSeconds, 0, timeoutMax, 'timeoutSeconds')]
      : []),
  ];
}

function containersErrors({ containers = [], volumes = [] }: RevisionSpec, flags: Flags): FieldError[] {
  if (containers.length === 0) return [missingField('containers')];
  const ports = containers.flatMap((container) => container.ports ?? []);
  const port = { name: ports[0]?.name || 'http' };
  if (containers.length > 1 && flags('multi-container') !== 'enabled')
    return [{ message: `multi-container is off, but found ${containers.length} containers`, paths: [] }];
  return [
    ...below('containers[*]', portsErrors(containers, ports.length)),
    ...containers.flatMap((container, i) => {
      const isServing = containers.length === 1 || (container.ports ?? []).length > 0;
      return below(`containers[${i}]`, [
        ...duplicateErrors(container, containers.slice(0, i)),
        ...containerErrors(container, isServing ? 'serving' : 'sidecar', port, volumes, flags),
      ]);
    }),
  ];
}

function portsErrors(containers: readonly Container[], count: number): FieldError[] {
  if (count === 0 && containers.length > 1) return [missingField('ports')];
  if (count <= 1) return [];
  const details = 'Only a single port is allowed across all containers';
  return [{ message: 'more than one container port is set', paths: ['ports'], details }];
}

function initErrors(
  { initContainers = [], containers = [], volumes = [] }: RevisionSpec,
  flags: Flags,
): FieldError[] {
  if (initContainers.length === 0) return [];
  if (flags('kubernetes.podspec-init-containers') !== 'enabled') {
    const message = `pod spec support for init-containers is off, but found ${initContainers.length} init containers`;
    return [{ message, paths: [] }, disallowedField('initContainers')];
  }
  return initContainers.flatMap((container, i) =>
    below(`initContainers[${i}]`, [
      ...duplicateErrors(container, [...containers, ...initContainers.slice(0, i)]),
      ...containerErrors(container, 'init', { name: '' }, volumes, flags),
    ]),
  );
}

function duplicateErrors({ name }: Container, others: readonly Container[]): FieldError[] {
  return name !== undefined && others.some((other) => other.name === name)
    ? [{ message: `duplicate container name "${name}"`, paths: ['name'] }]
    : [];
}

export function autoscalerConfigIn(context: AdmissionContext): AutoscalerConfig {
  return autoscalerConfig(context.configMap('knative-serving', 'config-autoscaler'));
}

export function revisionErrors(revision: Revision, context: AdmissionContext): FieldError[] {
  const before = (context.old as Revision | undefined)?.spec;
  return [
    ...below('spec', revisionSpecErrors(revision.spec, context)),
    ...below(
      'metadata.annotations',
      autoscalingErrors(revision.metadata.annotations, autoscalerConfigIn(context)),
    ),
    ...below('metadata.annotations', nodeStartErrors(revision.metadata.annotations)),
    ...(before === undefined ? [] : immutable('{v1.RevisionSpec}', before, revision.spec)),
  ];
}
