import {
  below,
  disallowedField,
  invalidValue,
  missingField,
  multipleOneOf,
  oneOf,
  outOfBounds,
} from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { featureFlags } from '../features.ts';
import type { Container, EnvFrom, EnvVar, Volume } from '../types.ts';
import { isImageReference } from './image-reference.ts';
import {
  disallowedProbe,
  probeErrors,
  readinessErrors,
  required,
  type ProbePort,
} from './validate-probes.ts';
import { quantityOf } from '../../quantity.ts';
import { containerSecurityErrors } from './validate-security.ts';
import { mountsErrors } from './validate-volumes.ts';

export type Role = 'serving' | 'sidecar' | 'init';
type Flags = ReturnType<typeof featureFlags>;

const RESERVED_ENV = ['K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'];
/** Those of queue-proxy and of profiling (networking pkg/constants.go). */
const RESERVED_PORTS = new Set([8012, 8013, 8022, 9090, 9091, 8008]);
const FIELDS = [
  'lifecycle',
  'stdin',
  'stdinOnce',
  'tty',
  'volumeDevices',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
];
/** Plain values in Go, where what is not set is the same as false, 0 or empty. */
const PLAIN = new Set(['stdin', 'stdinOnce', 'tty', 'hostNetwork', 'hostPID', 'hostIPC', 'hostPort']);

/** serving pkg/apis/serving/k8s_validation.go, ValidateContainer, validateSidecarContainer and validateInitContainer. */
export function containerErrors(
  container: Container,
  role: Role,
  port: { readonly name: string },
  volumes: readonly Volume[],
  context: AdmissionContext,
): FieldError[] {
  const flags = featureFlags(context);
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
    ...disallowed(container, FIELDS),
    ...(name === 'queue-proxy'
      ? [{ message: '"queue-proxy" is a reserved container name', paths: ['name'] }]
      : []),
    ...env.flatMap((variable, i) => below(`env[${i}]`, envErrors(variable, role, flags))),
    ...below('envFrom', envFromErrors(envFrom)),
    ...(image === '' ? [missingField('image')] : imageErrors(image)),
    ...below('ports', portErrors(container, role)),
    ...below('resources', resourceErrors(container.resources)),
    ...below('securityContext', containerSecurityErrors(container.securityContext, context)),
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
      ...disallowedProbe(startupProbe, 'startupProbe'),
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

/** Upstream puts what it has found so far below the reference of one that has it. */
function envFromErrors(envFrom: readonly EnvFrom[]): FieldError[] {
  let errors: FieldError[] = [];
  for (const [i, { secretRef, configMapRef }] of envFrom.entries()) {
    const [hasSecret, hasConfigMap] = [secretRef !== undefined, configMapRef !== undefined];
    if (hasSecret) errors = below(`secretRef[${i}]`, errors);
    if (hasConfigMap) errors = below(`configMapRef[${i}]`, errors);
    if (hasSecret && hasConfigMap) errors = [...errors, multipleOneOf('configMapRef', 'secretRef')];
    if (!hasSecret && !hasConfigMap) errors = [...errors, oneOf('configMapRef', 'secretRef')];
  }
  return errors;
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
  if (isImageReference(image)) return [];
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

export function disallowed(object: object, fields: readonly string[]): FieldError[] {
  return fields.filter((field) => isSet(object, field)).map((field) => disallowedField(field));
}

/** An empty list, and a plain value that is none, are not there any more once upstream has read and written an object. */
function isSet(object: object, field: string): boolean {
  const value: unknown = Reflect.get(object, field);
  if (value === undefined || value === null || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return !(PLAIN.has(field) && (value === false || value === 0));
}
