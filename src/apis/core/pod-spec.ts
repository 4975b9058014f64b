import Type from 'typebox';
import type { FieldError } from '../kind.ts';
import { int32, int64, openObject, stringMap, text } from '../schema.ts';
import type { Container, SecurityContext, Volume } from '../serving/types.ts';

/** core/v1 PodSpec, as far as it is read here. */
export type PodSpec = {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly restartPolicy?: RestartPolicy;
  readonly terminationGracePeriodSeconds?: number;
  readonly activeDeadlineSeconds?: number;
  readonly serviceAccountName?: string;
  readonly serviceAccount?: string;
  readonly nodeName?: string;
  readonly securityContext?: SecurityContext;
  readonly hostNetwork?: boolean;
};
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';
export type PodTemplate = {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: PodSpec;
};

const list = (description: string): ReturnType<typeof Type.Array> =>
  Type.Array(openObject('An item.'), { description });
const strings = (description: string): ReturnType<typeof Type.Array> =>
  Type.Array(Type.String(), { description });
const flag = (description: string): ReturnType<typeof Type.Boolean> => Type.Boolean({ description });
const optional = (
  fields: Readonly<Record<string, Type.TSchema>>,
): Record<string, Type.TOptional<Type.TSchema>> =>
  Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, Type.Optional(schema)]));

/** Of wrong types are refused where they are applied: `value: y` is a boolean to YAML. */
export const variableSchema = Type.Object(
  {
    name: Type.Optional(text('Its name.')),
    value: Type.Optional(text('Its value; $(NAME) stands for one before it.')),
    valueFrom: Type.Optional(openObject('Where its value is.')),
  },
  { description: 'A variable: name, and value or valueFrom.', 'x-kubernetes-preserve-unknown-fields': true },
);

const UNUSED = 'Not used on one machine.';

const containerSchema = Type.Object(
  optional({
    name: text('Name of the container.'),
    image: text('What runs: an image of the local store, or of a container engine.'),
    imagePullPolicy: text('Always, IfNotPresent or Never: of images of a container engine.'),
    command: strings('Replaces what the image starts.'),
    args: strings('Arguments of the command.'),
    workingDir: text('Where the program starts.'),
    env: Type.Array(variableSchema, { description: 'Variables.' }),
    envFrom: list('Variables from objects.'),
    ports: list('Where it listens; the first is the one in PORT.'),
    resources: openObject('Requests and limits.'),
    readinessProbe: openObject('When it is ready.'),
    livenessProbe: openObject('When it is to be restarted.'),
    startupProbe: openObject('When it has started.'),
    lifecycle: openObject(UNUSED),
    securityContext: openObject('Who it runs as.'),
    volumeMounts: list('Where volumes are mounted.'),
    volumeDevices: list(UNUSED),
    resizePolicy: list(UNUSED),
    restartPolicy: text(UNUSED),
    stdin: flag(UNUSED),
    stdinOnce: flag(UNUSED),
    tty: flag(UNUSED),
    terminationMessagePath: text(UNUSED),
    terminationMessagePolicy: text(UNUSED),
  }),
  { description: 'A container.' },
);

export const podSpecSchema = Type.Object(
  optional({
    containers: Type.Array(containerSchema, { description: 'What runs together.' }),
    initContainers: Type.Array(containerSchema, { description: 'What runs before, one after the other.' }),
    ephemeralContainers: list(UNUSED),
    volumes: list('What containers mount.'),
    restartPolicy: text('Always, OnFailure or Never.'),
    terminationGracePeriodSeconds: int64('Between SIGTERM and SIGKILL.'),
    activeDeadlineSeconds: int64('How long it may take in all.'),
    serviceAccountName: text('The account of the Pod.'),
    serviceAccount: text('The former name of serviceAccountName.'),
    automountServiceAccountToken: flag(UNUSED),
    securityContext: openObject('Who its containers run as.'),
    imagePullSecrets: list('Secrets with credentials of registries: of images of a container engine.'),
    nodeName: text('Where it runs.'),
    nodeSelector: stringMap(UNUSED),
    affinity: openObject(UNUSED),
    tolerations: list(UNUSED),
    topologySpreadConstraints: list(UNUSED),
    schedulerName: text(UNUSED),
    schedulingGates: list(UNUSED),
    priorityClassName: text(UNUSED),
    priority: int32(UNUSED),
    preemptionPolicy: text(UNUSED),
    runtimeClassName: text(UNUSED),
    overhead: openObject(UNUSED),
    os: openObject(UNUSED),
    hostname: text(UNUSED),
    subdomain: text(UNUSED),
    setHostnameAsFQDN: flag(UNUSED),
    hostAliases: list(UNUSED),
    hostNetwork: flag(UNUSED),
    hostPID: flag(UNUSED),
    hostIPC: flag(UNUSED),
    hostUsers: flag(UNUSED),
    shareProcessNamespace: flag(UNUSED),
    dnsPolicy: text(UNUSED),
    dnsConfig: openObject(UNUSED),
    readinessGates: list(UNUSED),
    enableServiceLinks: flag(UNUSED),
    resourceClaims: list(UNUSED),
    resources: openObject(UNUSED),
  }),
  { description: 'What runs.' },
);

export const podTemplateSchema = Type.Object(
  {
    metadata: Type.Optional(openObject('Labels and annotations of each Pod.')),
    spec: Type.Optional(podSpecSchema),
  },
  { description: 'What each Pod is made from.' },
);

// What nothing here reads, and readers of Kubernetes find.
const POD_DEFAULTS: object = {
  dnsPolicy: 'ClusterFirst',
  schedulerName: 'default-scheduler',
  securityContext: {},
};
const CONTAINER_DEFAULTS: object = {
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
};

/** kubernetes pkg/apis/core/v1/defaults.go. */
export function withPodDefaults(spec: PodSpec): PodSpec {
  const { containers = [], initContainers } = spec;
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    ...POD_DEFAULTS,
    ...spec,
    containers: containers.map(withContainerDefaults),
    ...(initContainers !== undefined && { initContainers: initContainers.map(withContainerDefaults) }),
  };
}

function withContainerDefaults(container: Container): Container {
  const { image = '', ports, livenessProbe, readinessProbe, startupProbe } = container;
  const probes = Object.entries({ livenessProbe, readinessProbe, startupProbe }).flatMap(([name, probe]) =>
    probe === undefined ? [] : [[name, withProbeDefaults(probe)] as const],
  );
  return {
    resources: {},
    ...CONTAINER_DEFAULTS,
    ...pullPolicy(image),
    ...container,
    ...(ports !== undefined && { ports: ports.map((port) => ({ protocol: 'TCP', ...port })) }),
    ...Object.fromEntries(probes),
  };
}

/** A name without a tag, and the newest, may be another image tomorrow. */
function pullPolicy(image: string): object {
  const isMoving = /(?:^[^:@]*|\/[^:@]*|:latest)$/.test(image);
  return { imagePullPolicy: isMoving ? 'Always' : 'IfNotPresent' };
}

function withProbeDefaults(probe: NonNullable<Container['readinessProbe']>): object {
  const { httpGet } = probe;
  return {
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
    ...probe,
    ...(httpGet !== undefined && { httpGet: { path: '/', scheme: 'HTTP', ...httpGet } }),
  };
}

export const withTemplateDefaults = (template: PodTemplate = {}): PodTemplate => ({
  ...template,
  spec: withPodDefaults(template.spec ?? {}),
});

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** kubernetes pkg/apis/core/validation: what a Pod cannot do without; `at` is where its spec stands. */
export function podSpecErrors(spec: PodSpec, at: string, policies: readonly RestartPolicy[]): FieldError[] {
  const { containers = [], initContainers = [], restartPolicy = '' } = spec;
  const names = [...initContainers, ...containers].map(({ name }) => name);
  const errors = (field: string, all: readonly Container[]): FieldError[] =>
    all.flatMap((container, i) => containerErrors(container, `${at}.${field}[${i}]`, names));
  return [
    ...(containers.length === 0 ? [requiredValue(`${at}.containers`)] : []),
    ...errors('containers', containers),
    ...errors('initContainers', initContainers),
    ...(policies.some((each) => each === restartPolicy)
      ? []
      : [unsupported(restartPolicy, `${at}.restartPolicy`, policies)]),
    ...notNegative(spec.terminationGracePeriodSeconds, `${at}.terminationGracePeriodSeconds`),
  ];
}

function containerErrors(
  container: Container,
  at: string,
  names: readonly (string | undefined)[],
): FieldError[] {
  const { name = '', image = '', ports = [] } = container;
  const why =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  return [
    ...(name === '' ? [requiredValue(`${at}.name`)] : []),
    ...(name !== '' && !NAME.test(name) ? [invalid(name, `${at}.name`, why)] : []),
    ...(names.filter((each) => each === name).length > 1 && name !== ''
      ? [{ message: `Duplicate value: ${JSON.stringify(name)}`, paths: [`${at}.name`] }]
      : []),
    ...(image === '' ? [requiredValue(`${at}.image`)] : []),
    ...ports.flatMap(({ containerPort = 0 }, i) =>
      portErrors(containerPort, `${at}.ports[${i}].containerPort`),
    ),
  ];
}

export function portErrors(port: number, at: string): FieldError[] {
  return port >= 1 && port <= 65_535 ? [] : [invalid(port, at, 'must be between 1 and 65535, inclusive')];
}

// Faults in the words of apimachinery's field package.

export const requiredValue = (path: string, details = ''): FieldError => ({
  message: details === '' ? 'Required value' : `Required value: ${details}`,
  paths: [path],
});
export const invalid = (value: unknown, path: string, why: string): FieldError => ({
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
  paths: [path],
});
export const unsupported = (value: string, path: string, among: readonly string[]): FieldError => ({
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${among.map((each) => JSON.stringify(each)).join(', ')}`,
  paths: [path],
});
export const notNegative = (value: number | undefined, path: string): FieldError[] =>
  value === undefined || value >= 0 ? [] : [invalid(value, path, 'must be greater than or equal to 0')];
