import { parseGoDuration } from '../../base/duration.ts';
import { autoscalerConfig } from '../../apis/autoscaling/config.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Container, Probe, Revision } from '../../apis/serving/types.ts';
import type { RevisionPlan } from '../plan.ts';
import type { ContainerSpec, Launch, ProbeAction, ProbeSpec } from '../runtime/container-spec.ts';
import { scalePlanOf } from './scale-plan.ts';

export type Bundle = { readonly directory: string; readonly launch: Launch };
type Config = Readonly<Record<string, string>>;

const PROGRESS_DEADLINE_MS = 600_000;

/** What serving has to know of a Revision, from its object, its bundle, its variables, config-autoscaler and config-features. */
export function planRevision(
  revision: Revision,
  bundle: Bundle,
  env: Readonly<Record<string, string>>,
  config: Config,
  features: Config = {},
): RevisionPlan {
  const { namespace = '', name, labels = {}, annotations = {} } = revision.metadata;
  const { spec } = revision;
  const container = spec.containers?.[0] ?? {};
  const configuration = labels[LABELS.configuration] ?? name;
  const progressDeadlineMs =
    parseGoDuration(annotations['serving.knative.dev/progress-deadline'] ?? '') ?? PROGRESS_DEADLINE_MS;
  return {
    key: `${namespace}/${name}`,
    instance: {
      namespace,
      revision: name,
      service: labels[LABELS.service] ?? configuration,
      configuration,
      containers: [
        {
          ...containerSpec(container, bundle, env),
          isServing: true,
          readiness: readinessOf(container),
        },
      ],
      initContainers: [],
      volumes: [],
      readyTimeoutMs: progressDeadlineMs,
    },
    containerConcurrency: spec.containerConcurrency ?? 0,
    protocol: protocolOf(container, features),
    timeoutMs: (spec.timeoutSeconds ?? 300) * 1000 || 300_000,
    responseStartTimeoutMs: (spec.responseStartTimeoutSeconds ?? 0) * 1000,
    idleTimeoutMs: (spec.idleTimeoutSeconds ?? 0) * 1000,
    scale: scalePlanOf(revision, autoscalerConfig(config), progressDeadlineMs),
  };
}

/** By the name of its port; what has none may speak either, with `autodetect-http2` (serving config-features). */
function protocolOf({ ports }: Container, features: Config): RevisionPlan['protocol'] {
  const name = ports?.[0]?.name ?? '';
  if (name === 'h2c') return 'h2c';
  return name === '' && features['autodetect-http2']?.toLowerCase() === 'enabled' ? 'detect' : 'http1';
}

/** The container's command and args replace what the image starts; args alone are added to it (Kubernetes' rules). */
export function launchOf({ command, args = [] }: Container, launch: Launch): Launch {
  if (command !== undefined && command.length > 0) return { kind: 'program', command: [...command, ...args] };
  return launch.kind === 'program' && args.length > 0
    ? { kind: 'program', command: [...launch.command, ...args] }
    : launch;
}

/** A container as its manifest, its image and its resolved variables say; it answers nobody and has no probes. */
export function containerSpec(
  container: Container,
  { directory, launch }: Bundle,
  env: Readonly<Record<string, string>>,
): ContainerSpec {
  return {
    name: container.name ?? 'user-container',
    image: container.image ?? '',
    directory,
    launch: launchOf(container, launch),
    env,
    workingDir: container.workingDir,
    isServing: false,
    containerPort: container.ports?.[0]?.containerPort,
    readiness: undefined,
    liveness: undefined,
    startup: undefined,
    mounts: [],
    limits: { memoryBytes: undefined, milliCpus: undefined },
    user: { uid: undefined, gid: undefined, mustNotBeRoot: false },
  };
}

function readinessOf({ readinessProbe = {} }: Container): ProbeSpec {
  const { initialDelaySeconds = 0, periodSeconds = 0, timeoutSeconds = 1 } = readinessProbe;
  const { successThreshold = 1, failureThreshold = 3 } = readinessProbe;
  return {
    action: actionOf(readinessProbe),
    initialDelayMs: initialDelaySeconds * 1000,
    periodMs: periodSeconds * 1000,
    timeoutMs: timeoutSeconds * 1000,
    successThreshold,
    failureThreshold,
  };
}

function actionOf({ exec, httpGet }: Probe): ProbeAction {
  if (exec !== undefined) return { kind: 'exec', command: exec.command };
  if (httpGet === undefined) return { kind: 'tcp', port: undefined };
  const headers = Object.fromEntries((httpGet.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  return { kind: 'http', port: undefined, path: httpGet.path ?? '/', headers, isTls: false };
}
