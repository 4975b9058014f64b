import { parseGoDuration } from '../../base/duration.ts';
import { autoscalerConfig } from '../../apis/autoscaling/config.ts';
import { networkOf } from '../../apis/serving/own-network.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Container, Revision } from '../../apis/serving/types.ts';
import type { RevisionPlan } from '../plan.ts';
import type { ContainerSpec } from '../runtime/container-spec.ts';
import { containerSpec, servingPortOf } from './container-plan.ts';
import { ownStartOf } from './own-start.ts';
import type { PreparedPod } from './prepare-pod.ts';
import { scalePlanOf } from './scale-plan.ts';

type Config = Readonly<Record<string, string>>;
/** ConfigMaps config-autoscaler, config-features and config-deployment. */
export type ServingConfig = {
  readonly autoscaler?: Config;
  readonly features?: Config;
  readonly deployment?: Config;
};

const PROGRESS_DEADLINE_MS = 600_000;

/** What serving has to know of a Revision, from its object, its prepared containers, and ConfigMaps of serving. */
export function planRevision(
  revision: Revision,
  pod: PreparedPod,
  { autoscaler = {}, features = {}, deployment = {} }: ServingConfig = {},
): RevisionPlan {
  const { namespace = '', name, labels = {}, annotations = {} } = revision.metadata;
  const { spec } = revision;
  const { containers = [], securityContext: podSecurity } = spec;
  const serving = servingContainer(containers);
  const servingPort = servingPortOf(containers);
  const place = { servingPort, podSecurity };
  const started = (container: ContainerSpec): ContainerSpec => ({
    ...container,
    ownStart: ownStartOf(annotations, container),
  });
  const configuration = labels[LABELS.configuration] ?? name;
  const progressDeadlineMs =
    parseGoDuration(
      annotations['serving.knative.dev/progress-deadline'] ?? deployment['progress-deadline'] ?? '',
    ) ?? PROGRESS_DEADLINE_MS;
  return {
    key: `${namespace}/${name}`,
    instance: {
      namespace,
      revision: name,
      service: labels[LABELS.service] ?? configuration,
      configuration,
      containers: pod.containers.map((each) =>
        started(containerSpec(each, { ...place, isServing: each.container === serving })),
      ),
      initContainers: pod.initContainers.map((each) =>
        started(containerSpec(each, { ...place, isServing: false })),
      ),
      volumes: pod.volumes,
      network: networkOf(annotations) ?? (spec.hostNetwork === true ? 'host' : undefined),
      readyTimeoutMs: progressDeadlineMs,
    },
    containerConcurrency: spec.containerConcurrency ?? 0,
    protocol: protocolOf(serving, features),
    timeoutMs: (spec.timeoutSeconds ?? 300) * 1000 || 300_000,
    responseStartTimeoutMs: (spec.responseStartTimeoutSeconds ?? 0) * 1000,
    idleTimeoutMs: (spec.idleTimeoutSeconds ?? 0) * 1000,
    scale: scalePlanOf(revision, autoscalerConfig(autoscaler), progressDeadlineMs),
  };
}

/** The one that has ports; of several there is exactly one (k8s_validation.go). */
function servingContainer(containers: readonly Container[]): Container {
  return containers.find(({ ports = [] }) => ports.length > 0) ?? containers[0] ?? {};
}

/** By the name of its port; what has none may speak either, with `autodetect-http2` (serving config-features). */
function protocolOf({ ports }: Container, features: Config): RevisionPlan['protocol'] {
  const name = ports?.[0]?.name ?? '';
  if (name === 'h2c') return 'h2c';
  return name === '' && features['autodetect-http2']?.toLowerCase() === 'enabled' ? 'detect' : 'http1';
}
