import { below, disallowedField, invalidValue, missingField, oneOf, outOfBounds } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { featureFlags } from '../features.ts';
import type { Container, EnvFrom, EnvVar, SecurityContext, Volume } from '../types.ts';
import {
  disallowedProbe,
  multipleOneOf,
  probeErrors,
  readinessErrors,
  required,
  type ProbePort,
} from './validate-probes.ts';
import { quantityOf } from '../../quantity.ts';
import { mountsErrors } from './validate-volumes.ts';

export type Role = 'serving' | 'sidecar' | 'init';
type Flags = ReturnType<typeof featureFlags>;

const RESERVED_ENV = ['K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'];
/** Those of queue-proxy and of profiling (networking pkg/constants.go). */
const RESERVED_PORTS = new Set([8012, 8013, 8022, 9090, 9091, 8008]);
const FIELDS = ['lifecycle', 'stdin', 'stdinOnce', 'tty', 'volumeDevices', 'resizePolicy', 'restartPolicy'];
const SECURITY_FIELDS = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'allowPrivilegeEscalation',
  'readOnlyRootFilesystem',
  'capabilities',
  'seccompProfile',
];
const ID_MAX = 2 ** 31 - 1;
/** A name with a registry, a tag and a digest, as far as a registry would take it apart. */
const IMAGE = /^[\w.-]+(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@[a-z\d]+:[a-f\d]{32,})?$/i;

/** serving pkg/apis/serving/k8s_validation.go, ValidateContainer, validateSidecarContainer and validateInitContainer. */
export function containerErrors(
  container: Container,
  role: Role,
  port: { readonly name: string },
  volumes: readonly Volume[],
  flags: Flags,
): FieldError[] {
  const {
    image = '',
    name,
    env = [],
    envFrom = [],
    volumeMounts = [],
    terminationMessagePolicy = '',
  } = container;
  return [
    ...probesErrors(container, role, port, flags),
    ...disallowed(container, role === 'init' ? FIELDS.filter((field) => field !== 'lifecycle') : FIELDS),
    ...(name === 'queue-proxy'
      ? [{ message: '"queue-proxy" is a reserved container name', paths: ['name'] }]
      : []),
    ...env.flatMap((variable, i) => below(`env[${i}]`, envErrors(variable, role, flags))),
    ...envFrom.flatMap((from) => below('envFrom', envFromErrors(from))),
    ...(image === '' ? [missingField('image')] : imageErrors(image)),
    ...below('ports', portErrors(container, role)),
    ...below('resources', resourceErrors(container.resources)),
    ...below('securityContext', securityErrors(container.securityContext, flags)),
    ...(['', 'File', 'FallbackToLogsOnError'].includes(terminationMessagePolicy)
      ? []
      : [invalidValue(terminationMessagePolicy, 'terminationMessagePolicy')]),
    ...below('volumeMounts', mountsErrors(volumeMounts, volumes, flags)),
  ];
}

function probesErrors(
  { livenessProbe, readinessProbe, startupProbe, ...container }: Container,
  role: Role,
  port: { readonly name: string },
  flags: Flags,
): FieldError[] {
  if (role === 'init') {
    const set = {
      livenessProbe,
      readinessProbe,
      startupProbe,
      lifecycle: Reflect.get(container, 'lifecycle') as unknown,
    };
    return Object.entries(set)
      .filter(([, value]) => value !== undefined)
      .map(([field]) => ({ message: 'field not allowed in an init container', paths: [field] }));
  }
  if (role === 'sidecar' && flags('multi-container-probing') !== 'enabled')
    return [
      ...disallowedProbe(livenessProbe, 'livenessProbe'),
      ...disallowedProbe(readinessProbe, 'readinessProbe'),
    ];
  const of: ProbePort = role === 'sidecar' ? 'its own' : port;
  return [
    ...below('livenessProbe', probeErrors(livenessProbe, of)),
    ...below('readinessProbe', readinessErrors(readinessProbe, of)),
    ...below('startupProbe', probeErrors(startupProbe, of)),
  ];
}

function envErrors({ name, valueFrom = {} }: EnvVar, role: Role, flags: Flags): FieldError[] {
  const reserved = role === 'serving' ? [...RESERVED_ENV, 'PORT'] : RESERVED_ENV;
  const refused = flags('kubernetes.podspec-fieldref') === 'disabled' ? ['fieldRef', 'resourceFieldRef'] : [];
  return [
    ...required(name, 'name'),
    ...(reserved.includes(name)
      ? [{ message: `"${name}" is a reserved environment variable`, paths: ['name'] }]
      : []),
    ...below('valueFrom', disallowed(valueFrom, refused)),
  ];
}

function envFromErrors({ secretRef, configMapRef }: EnvFrom): FieldError[] {
  if (secretRef !== undefined && configMapRef !== undefined)
    return [multipleOneOf('configMapRef', 'secretRef')];
  return secretRef === undefined && configMapRef === undefined ? [oneOf('configMapRef', 'secretRef')] : [];
}

/** Upstream cannot even read an object with such a one. */
function resourceErrors(resources: Container['resources'] = {}): FieldError[] {
  const { requests = {}, limits = {} } = resources;
  const faults = Object.entries({ requests, limits }).flatMap(([part, quantities]) =>
    Object.entries(quantities)
      .filter(([, quantity]) => quantityOf(quantity) === undefined)
      .map(([resource, quantity]) => invalidValue(quantity, `${part}.${resource}`)),
  );
  return [...disallowed(resources, ['claims']), ...faults];
}

function imageErrors(image: string): FieldError[] {
  if (IMAGE.test(image)) return [];
  const details = `image: "${image}", error: could not parse reference: ${image}`;
  return [{ message: 'Failed to parse image reference', paths: ['image'], details }];
}

function portErrors({ ports = [] }: Container, role: Role): FieldError[] {
  return ports.slice(0, role === 'init' ? undefined : 1).flatMap((port) => {
    const { name = '', containerPort = 0, protocol = 'TCP' } = port;
    const details = `${containerPort} is a reserved port, please use a different value`;
    return [
      ...disallowed(port, ['hostPort', 'hostIP']),
      ...(RESERVED_PORTS.has(containerPort)
        ? [invalidValue(`${containerPort} is a reserved port`, 'containerPort', details)]
        : []),
      ...(containerPort < 0 || containerPort > 65_535
        ? [outOfBounds(containerPort, 0, 65_535, 'containerPort')]
        : []),
      ...(protocol === 'TCP' || role === 'init' ? [] : [invalidValue(protocol, 'protocol')]),
      ...(['', 'http1', 'h2c'].includes(name) || role === 'init'
        ? []
        : [
            {
              message: `Port name ${name} is not allowed`,
              paths: [''],
              details: "Name must be empty, or one of: 'h2c', 'http1'",
            },
          ]),
    ];
  });
}

function securityErrors(context: SecurityContext | undefined, flags: Flags): FieldError[] {
  if (context === undefined) return [];
  const unknown = Object.keys(context).filter((field) => !SECURITY_FIELDS.includes(field));
  const added = context.capabilities?.add ?? [];
  const mayAdd = flags('kubernetes.containerspec-addcapabilities') !== 'disabled';
  const isUsual = added.every((capability) => capability === 'NET_BIND_SERVICE');
  return [
    ...unknown.map((field) => disallowedField(field)),
    ...(mayAdd || isUsual ? [] : [disallowedField('capabilities.add')]),
    ...idErrors(context),
  ];
}

/** Of a container and of a Pod alike. */
export function idErrors({ runAsUser = 0, runAsGroup = 0 }: SecurityContext): FieldError[] {
  const ids = { runAsUser, runAsGroup };
  return Object.entries(ids)
    .filter(([, id]) => id < 0 || id > ID_MAX)
    .map(([name, id]) => outOfBounds(id, 0, ID_MAX, name));
}

export function disallowed(object: object, fields: readonly string[]): FieldError[] {
  return fields
    .filter((field) => Reflect.get(object, field) !== undefined)
    .map((field) => disallowedField(field));
}
