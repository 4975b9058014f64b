import { parseGoDuration } from '../../base/duration.ts';
import { autoscalingAnnotations } from '../../apis/autoscaling/annotations.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Container, Probe, Revision, Route } from '../../apis/serving/types.ts';
import {
  localHostsOf,
  publicHostOf,
  scaleTargetOf,
  taggedName,
  type RevisionPlan,
  type RoutePlan,
  type ScalePlan,
} from '../plan.ts';
import type { ContainerSpec, Launch, ProbeAction, ProbeSpec } from '../runtime/container-spec.ts';

export type Bundle = { readonly directory: string; readonly launch: Launch };
type Config = Readonly<Record<string, string>>;

const PROGRESS_DEADLINE_MS = 600_000;

/** What serving has to know of a Revision, from its object, its bundle, its resolved variables and config-autoscaler. */
export function planRevision(
  revision: Revision,
  bundle: Bundle,
  env: Readonly<Record<string, string>>,
  config: Config,
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
    protocol: 'http1',
    timeoutMs: (spec.timeoutSeconds ?? 300) * 1000 || 300_000,
    responseStartTimeoutMs: (spec.responseStartTimeoutSeconds ?? 0) * 1000,
    idleTimeoutMs: (spec.idleTimeoutSeconds ?? 0) * 1000,
    scale: scaleOf(revision, config, progressDeadlineMs),
  };
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

/** Annotations first, then config-autoscaler, then its shipped values (knative-serving config-autoscaler). */
function scaleOf(
  { metadata, spec, status }: Revision,
  config: Config,
  progressDeadlineMs: number,
): ScalePlan {
  const annotations = autoscalingAnnotations(metadata.annotations);
  const number = (annotation: string, key: string, shipped: number): number =>
    Number(annotations.get(annotation) ?? config[key] ?? shipped);
  const span = (annotation: string, key: string, shipped: string): number =>
    parseGoDuration(annotations.get(annotation) ?? config[key] ?? shipped) ?? 0;
  const metric = annotations.get('metric') === 'rps' ? 'rps' : 'concurrency';
  const windowMs = span('window', 'stable-window', '60s');
  const panicPercent = number('panic-window-percentage', 'panic-window-percentage', 10);
  const minScale = number('min-scale', 'min-scale', 0);
  const target = annotations.get('target');
  // A revision that has been ready once is not started again for nothing, when the platform comes back.
  const wasReady =
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
  return {
    minScale,
    maxScale: number('max-scale', 'max-scale', 0),
    initialScale: wasReady ? 0 : Math.max(minScale, number('initial-scale', 'initial-scale', 1)),
    activationScale: number('activation-scale', 'activation-scale', 1),
    metric,
    target: scaleTargetOf({
      metric,
      containerConcurrency: spec.containerConcurrency ?? 0,
      target: target === undefined ? undefined : Number(target),
      defaultTarget:
        metric === 'rps'
          ? Number(config['requests-per-second-target-default'] ?? 200)
          : Number(config['container-concurrency-target-default'] ?? 100),
      utilizationPercent: number(
        'target-utilization-percentage',
        'container-concurrency-target-percentage',
        70,
      ),
    }),
    algorithm:
      annotations.get('metric-aggregation-algorithm') === 'weighted-exponential'
        ? 'weighted-exponential'
        : 'linear',
    windowMs,
    panicWindowMs: Math.max(1000, Math.round((windowMs * panicPercent) / 100)),
    panicThreshold: number('panic-threshold-percentage', 'panic-threshold-percentage', 200) / 100,
    maxScaleUpRate: Number(config['max-scale-up-rate'] ?? 1000),
    maxScaleDownRate: Number(config['max-scale-down-rate'] ?? 2),
    scaleDownDelayMs: span('scale-down-delay', 'scale-down-delay', '0s'),
    retentionMs: span('scale-to-zero-pod-retention-period', 'scale-to-zero-pod-retention-period', '0s'),
    progressDeadlineMs,
    isScaledToZero: (config['enable-scale-to-zero'] ?? 'true') === 'true',
  };
}

/** The hosts of a Route and of each of its tags, and who answers there; from its status, where traffic is resolved. */
export function planRoutes(route: Route, domain: string): readonly RoutePlan[] {
  const { namespace = '', name, labels = {} } = route.metadata;
  const { traffic = [] } = route.status ?? {};
  if (traffic.length === 0) return [];
  const isLocal = labels[LABELS.visibility] === 'cluster-local';
  const planFor = (key: string, part: string, targets: RoutePlan['targets']): RoutePlan => ({
    key,
    publicHosts: isLocal ? [] : [publicHostOf(namespace, part, domain)],
    localHosts: [
      ...localHostsOf(namespace, part),
      ...(isLocal ? [publicHostOf(namespace, part, domain)] : []),
    ],
    targets,
  });
  const shares = traffic
    .filter(({ percent = 0 }) => percent > 0)
    .map(({ revisionName = '', percent = 0 }) => ({ revision: `${namespace}/${revisionName}`, percent }));
  const tagged = traffic.filter(({ tag }) => tag !== undefined && tag !== '');
  return [
    planFor(`${namespace}/${name}`, name, shares),
    ...tagged.map(({ tag = '', revisionName = '' }) =>
      planFor(`${namespace}/${name}#${tag}`, taggedName(name, tag), [
        { revision: `${namespace}/${revisionName}`, percent: 100 },
      ]),
    ),
  ];
}
