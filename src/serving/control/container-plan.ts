import { posix } from 'node:path';
import { quantityOf } from '../../apis/quantity.ts';
import type { Container, Probe, SecurityContext } from '../../apis/serving/types.ts';
import type {
  ContainerSpec,
  Launch,
  Limits,
  Mount,
  ProbeAction,
  ProbeSpec,
  User,
} from '../runtime/container-spec.ts';
import { confinementOf, unhonouredByEngine } from './engine-security.ts';

export type Bundle = {
  readonly directory: string;
  readonly launch: Launch;
  /** Whom it runs as when its manifest names nobody. */
  readonly user?: { readonly uid: number; readonly gid: number };
};

/** What a container is made of beside its manifest: its image, and its variables as they are now. */
export type PreparedContainer = {
  readonly container: Container;
  readonly image: string; // by its digest
  readonly bundle: Bundle;
  readonly env: Readonly<Record<string, string>>;
  /** Variables that are the name of the instance (fieldRef metadata.name). */
  readonly idEnv: readonly string[];
  /** What it is given by its Pod, and what its Pod asks for and is not given. */
  readonly podMounts?: readonly Mount[];
  readonly podUnhonoured?: readonly string[];
};

/** How a container of a revision stands to its requests. */
export type Place = {
  readonly isServing: boolean;
  /** The port that its manifest gives to the container that answers, and its name: both stand for the one in PORT. */
  readonly servingPort: { readonly number: number; readonly name: string };
  readonly podSecurity: SecurityContext | undefined;
};

const DEFAULT_PORT = 8080;

/** The port of the container that answers, as manifests may name it in probes. */
export function servingPortOf(containers: readonly Container[]): Place['servingPort'] {
  const port = containers.flatMap(({ ports = [] }) => ports)[0];
  return { number: port?.containerPort || DEFAULT_PORT, name: port?.name || 'http' };
}

export function containerSpec(prepared: PreparedContainer, place: Place): ContainerSpec {
  const { container, image, bundle, env, idEnv, podMounts = [], podUnhonoured = [] } = prepared;
  const probe = (of: Probe | undefined, periodSeconds: number): ProbeSpec | undefined =>
    of && probeSpec(of, periodSeconds, place);
  const launch = launchOf(container, bundle.launch);
  const isOfEngine = launch.kind === 'container';
  return {
    name: container.name ?? 'user-container',
    image,
    directory: bundle.directory,
    launch: isOfEngine ? { ...launch, confinement: confinementOf(container) } : launch,
    env,
    idEnv,
    workingDir: container.workingDir,
    isServing: place.isServing,
    containerPort: container.ports?.[0]?.containerPort || undefined, // 0: the usual one
    readiness: probe(container.readinessProbe ?? (place.isServing ? {} : undefined), 0),
    liveness: probe(container.livenessProbe, USUAL_PERIOD_S),
    startup: probe(container.startupProbe, USUAL_PERIOD_S),
    mounts: [...mountsOf(container), ...podMounts],
    limits: limitsOf(container),
    user: userOf(container.securityContext, place.podSecurity, bundle.user),
    unhonoured: [...(isOfEngine ? unhonouredByEngine(container) : unhonouredOf(container)), ...podUnhonoured],
  };
}

function mountsOf({ volumeMounts = [] }: Container): readonly Mount[] {
  return volumeMounts.map(({ name = '', mountPath = '', subPath = '', readOnly = false }) => ({
    volume: name,
    path: posix.normalize(mountPath).replace(/(.)\/$/, '$1'),
    subPath,
    isReadOnly: readOnly,
  }));
}

/** The container's command and args replace what the image starts; args alone are added to it (Kubernetes' rules). */
export function launchOf({ command, args = [] }: Container, launch: Launch): Launch {
  if (launch.kind === 'container') {
    const given = (words: readonly string[] | undefined) => (words?.length ? [...words] : undefined);
    return { ...launch, command: given(command), args: given(args) };
  }
  if (command !== undefined && command.length > 0) return { kind: 'program', command: [...command, ...args] };
  return launch.kind === 'program' && args.length > 0
    ? { kind: 'program', command: [...launch.command, ...args] }
    : launch;
}

/** kubelet's, of probes that are not Knative's own. */
const USUAL_PERIOD_S = 10;

function probeSpec(probe: Probe, usualPeriodS: number, place: Place): ProbeSpec {
  const { initialDelaySeconds = 0, periodSeconds, timeoutSeconds } = probe;
  const { successThreshold, failureThreshold } = probe;
  return {
    action: actionOf(probe, place),
    initialDelayMs: initialDelaySeconds * 1000,
    periodMs: (periodSeconds || usualPeriodS) * 1000,
    timeoutMs: (timeoutSeconds || 1) * 1000,
    successThreshold: successThreshold || 1,
    failureThreshold: failureThreshold || 3,
  };
}

function actionOf({ exec, httpGet, tcpSocket, grpc }: Probe, { servingPort }: Place): ProbeAction {
  const portOf = (port: number | string | undefined): number | undefined => {
    const number = Number(port ?? 0);
    return Number.isNaN(number) || number === 0 || number === servingPort.number ? undefined : number;
  };
  if (exec !== undefined) return { kind: 'exec', command: exec.command };
  if (grpc !== undefined) return { kind: 'grpc', port: portOf(grpc.port), service: grpc.service ?? '' };
  if (httpGet === undefined) return { kind: 'tcp', port: portOf(tcpSocket?.port) };
  const { httpHeaders = [], path = '/', port, scheme } = httpGet;
  return {
    kind: 'http',
    port: portOf(port),
    path: path.startsWith('/') ? path : `/${path}`,
    headers: Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])),
    isTls: scheme === 'HTTPS',
  };
}

function limitsOf({ resources = {} }: Container): Limits {
  const { memory, cpu } = resources.limits ?? {};
  const [bytes, cores] = [quantityOf(memory), quantityOf(cpu)];
  const requested = quantityOf(resources.requests?.['cpu']) ?? cores; // Kubernetes: what is limited is requested
  return {
    memoryBytes: bytes === undefined || bytes <= 0 ? undefined : Math.ceil(bytes),
    milliCpus: cores === undefined || cores <= 0 ? undefined : Math.ceil(cores * 1000),
    ...(requested !== undefined && requested > 0 && { milliCpusRequested: Math.ceil(requested * 1000) }),
  };
}

/** Accepted as upstream accepts it; that a process does not get it is told (runtime, Unmet). */
function unhonouredOf({ securityContext = {}, resources = {} }: Container): readonly string[] {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, seccompProfile, capabilities } = securityContext;
  const asked: Readonly<Record<string, boolean>> = {
    'securityContext.allowPrivilegeEscalation: false': allowPrivilegeEscalation === false,
    'securityContext.readOnlyRootFilesystem': readOnlyRootFilesystem === true,
    'securityContext.seccompProfile': seccompProfile !== undefined,
    'securityContext.capabilities': capabilities !== undefined,
    'resources.limits.ephemeral-storage': resources.limits?.['ephemeral-storage'] !== undefined,
  };
  return Object.keys(asked).filter((field) => asked[field]);
}

/** A container's own before that of its Pod, and that before the one of its image. */
function userOf(own: SecurityContext = {}, pod: SecurityContext = {}, image: Bundle['user']): User {
  const uid = own.runAsUser ?? pod.runAsUser;
  return {
    uid: uid ?? image?.uid,
    gid: own.runAsGroup ?? pod.runAsGroup ?? (uid === undefined ? image?.gid : undefined),
    mustNotBeRoot: own.runAsNonRoot ?? pod.runAsNonRoot ?? false,
  };
}
