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
import type { Container, Revision, RevisionSpec } from '../types.ts';

const RESERVED_ENV = new Set(['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION']);
const RESERVED_PORTS = new Set([8012, 8013, 8022, 9090, 9091]);
const POD_FIELDS = [
  'restartPolicy',
  'terminationGracePeriodSeconds',
  'activeDeadlineSeconds',
  'nodeName',
  'hostname',
  'subdomain',
  'readinessGates',
  'overhead',
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
  'initContainers',
  'shareProcessNamespace',
  'hostIPC',
  'hostPID',
  'hostNetwork',
];
const CONTAINER_FIELDS = ['lifecycle', 'stdin', 'stdinOnce', 'tty', 'volumeDevices'];

/** serving pkg/apis/serving/k8s_validation.go and v1/revision_validation.go; paths are relative to the spec. */
export function revisionSpecErrors(spec: RevisionSpec, context: AdmissionContext): FieldError[] {
  const { containers, containerConcurrency = 0, timeoutSeconds = 0, serviceAccountName, volumes = [] } = spec;
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const [timeoutMax, concurrencyMax] = [
    Number(config['max-revision-timeout-seconds'] ?? 600),
    Number(config['container-concurrency-max-limit'] ?? 1000),
  ];
  const accountFault =
    serviceAccountName === undefined || serviceAccountName === ''
      ? undefined
      : subdomainFault(serviceAccountName);
  return [
    ...disallowed(spec, POD_FIELDS),
    ...containersErrors(containers),
    ...(containerConcurrency < 0 || containerConcurrency > concurrencyMax
      ? [outOfBounds(containerConcurrency, 0, concurrencyMax, 'containerConcurrency')]
      : []),
    ...(timeoutSeconds < 0 || timeoutSeconds > timeoutMax
      ? [outOfBounds(timeoutSeconds, 0, timeoutMax, 'timeoutSeconds')]
      : []),
    ...(accountFault === undefined
      ? []
      : [invalidValue(serviceAccountName, 'serviceAccountName', accountFault)]),
    ...(volumes.length === 0
      ? []
      : [
          {
            ...disallowedField('volumes'),
            details:
              'volumes come with a later version of Millrace; env and envFrom read Secrets and ConfigMaps',
          },
        ]),
  ];
}

function containersErrors(containers: readonly Container[] | undefined): FieldError[] {
  if (containers === undefined || containers.length === 0) return [missingField('containers')];
  if (containers.length > 1) {
    return [
      {
        ...disallowedField('containers'),
        details: 'several containers in one revision come with a later version of Millrace',
      },
    ];
  }
  return containers.flatMap((container, i) => below(`containers[${i}]`, containerErrors(container)));
}

function containerErrors(container: Container): FieldError[] {
  const { image, name, env = [], ports = [], readinessProbe, volumeMounts = [] } = container;
  const errors: FieldError[] = [...disallowed(container, CONTAINER_FIELDS)];
  if (image === undefined || image === '') errors.push(missingField('image'));
  if (name === 'queue-proxy')
    errors.push({ message: '"queue-proxy" is a reserved container name', paths: ['name'] });
  for (const [i, variable] of env.entries()) {
    if (!variable.name) errors.push(missingField(`env[${i}].name`));
    else if (RESERVED_ENV.has(variable.name))
      errors.push({
        message: `"${variable.name}" is a reserved environment variable`,
        paths: [`env[${i}].name`],
      });
  }
  if (ports.length > 1)
    errors.push({
      message: 'more than one container port is set',
      paths: ['ports'],
      details: 'Only a single port is allowed across all containers',
    });
  for (const { name: portName = '', containerPort = 0, protocol = 'TCP', hostPort } of ports.slice(0, 1)) {
    if (!['', 'http1', 'h2c'].includes(portName))
      errors.push({
        message: `Port name ${portName} is not allowed`,
        paths: ['ports'],
        details: "Name must be empty, or one of: 'h2c', 'http1'",
      });
    if (portName === 'h2c')
      errors.push({
        message: 'Port name h2c is not allowed',
        paths: ['ports'],
        details: 'HTTP/2 to instances comes with a later version of Millrace',
      });
    if (RESERVED_PORTS.has(containerPort))
      errors.push({ message: `${containerPort} is a reserved port`, paths: ['ports.containerPort'] });
    if (containerPort < 0 || containerPort > 65_535)
      errors.push(outOfBounds(containerPort, 0, 65_535, 'ports.containerPort'));
    if (protocol !== 'TCP') errors.push(invalidValue(protocol, 'ports.protocol'));
    if (hostPort !== undefined) errors.push(disallowedField('ports.hostPort'));
  }
  if (readinessProbe?.grpc !== undefined)
    errors.push({
      ...disallowedField('readinessProbe.grpc'),
      details: 'gRPC probes come with a later version of Millrace',
    });
  if (volumeMounts.length > 0)
    errors.push({
      ...disallowedField('volumeMounts'),
      details: 'volumes come with a later version of Millrace',
    });
  return errors;
}

function disallowed(object: object, fields: readonly string[]): FieldError[] {
  return fields
    .filter((field) => Reflect.get(object, field) !== undefined)
    .map((field) => disallowedField(field));
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
    ...(before === undefined ? [] : immutable('{v1.RevisionSpec}', before, revision.spec)),
  ];
}
