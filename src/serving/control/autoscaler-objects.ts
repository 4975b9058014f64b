import { METRIC, type Metric } from '../../apis/autoscaling/metric/metric.ts';
import { POD_AUTOSCALER, type PodAutoscaler } from '../../apis/autoscaling/pod-autoscaler/types.ts';
import { conditionsAfter, isFalse, isTrue, isUnknown } from '../../apis/conditions.ts';
import {
  SERVERLESS_SERVICE,
  SERVERLESS_SERVICE_CONDITIONS,
  type ServerlessService,
} from '../../apis/networking/serverless-service/serverless-service.ts';
import type { ObjectMeta, Resource } from '../../apis/resource.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Revision } from '../../apis/serving/types.ts';
import { ownerOf } from '../../control/owned.ts';
import { deploymentName } from '../instance-name.ts';
import type { ScalePlan } from '../plan.ts';
import { privateName } from './scale-services.ts';

const NS_PER_MS = 1_000_000;
const METRIC_CONDITIONS = { happy: 'Ready', dependents: [] } as const;
/** What says how a Revision is routed is its own; it changes often, and scales nothing. */
const OWN_LABELS: readonly string[] = [LABELS.routingState, LABELS.route];
const OWN_ANNOTATIONS =
  /^serving\.knative\.dev\/(?:routes|routingStateModified|no-gc|lastPinned|creator|lastModifier)$/;

/** serving pkg/reconciler/revision/resources/pa.go */
export function podAutoscalerOf(revision: Revision): PodAutoscaler {
  const { name, labels = {}, annotations = {} } = revision.metadata;
  const routingState = labels[LABELS.routingState];
  const reachability =
    routingState === 'active' ? 'Reachable' : routingState === 'reserve' ? 'Unreachable' : '';
  return {
    ...POD_AUTOSCALER,
    metadata: {
      ...ownedMeta(revision, name),
      labels: {
        ...without(labels, (label) => OWN_LABELS.includes(label)),
        app: name,
        [LABELS.revision]: name,
        [LABELS.revisionUid]: revision.metadata.uid ?? '',
      },
      annotations: without(annotations, (annotation) => OWN_ANNOTATIONS.test(annotation)),
    },
    spec: {
      containerConcurrency: revision.spec.containerConcurrency ?? 0,
      protocolType: protocolOf(revision),
      ...(reachability !== '' && { reachability }),
      scaleTargetRef: {
        apiVersion: KINDS.deployment.apiVersion,
        kind: KINDS.deployment.kind,
        name: deploymentName(name),
      },
    },
  };
}

function protocolOf({ spec }: Revision): 'http1' | 'h2c' {
  const ports = (spec.containers ?? []).flatMap(({ ports: own = [] }) => own);
  return ports.some(({ name }) => name === 'h2c') ? 'h2c' : 'http1';
}

/** serving pkg/reconciler/autoscaling/resources/sks.go */
export function serverlessServiceOf(
  podAutoscaler: PodAutoscaler,
  { mode, activators }: { readonly mode: 'Proxy' | 'Serve'; readonly activators: number },
): ServerlessService {
  const { scaleTargetRef, protocolType } = podAutoscaler.spec;
  return {
    ...SERVERLESS_SERVICE,
    metadata: sameMeta(podAutoscaler),
    spec: {
      mode,
      ...(activators > 0 && { numActivators: activators }),
      objectRef: scaleTargetRef,
      protocolType,
    },
  };
}

/** serving pkg/reconciler/serverlessservice: ready once there are instances. */
export function withServiceStatus(
  service: ServerlessService,
  ready: number,
  nowMs: number,
): ServerlessService {
  const { name, generation = 1 } = service.metadata;
  const isBacked = ready === 0 || service.spec.mode === 'Proxy';
  const marks = [
    {
      ...(isBacked ? isTrue : isFalse)(
        'ActivatorEndpointsPopulated',
        'ActivatorEndpointsPopulated',
        'Revision is backed by Activator',
      ),
      severity: 'Info' as const,
    },
    ready > 0
      ? isTrue('EndpointsPopulated')
      : isUnknown('EndpointsPopulated', 'NoHealthyBackends', 'K8s Service is not ready'),
  ];
  const before = service.status?.conditions ?? [];
  return {
    ...service,
    metadata: unversioned(service.metadata),
    status: {
      observedGeneration: generation,
      conditions: conditionsAfter(SERVERLESS_SERVICE_CONDITIONS, before, marks, nowMs),
      serviceName: name,
      privateServiceName: privateName(name),
    },
  };
}

/** serving pkg/reconciler/autoscaling/resources/metric.go; without a target where the activator alone counts. */
export function metricOf(podAutoscaler: PodAutoscaler, scale: ScalePlan): Metric {
  const { windowMs, panicWindowMs, burstCapacity } = scale;
  return {
    ...METRIC,
    metadata: sameMeta(podAutoscaler),
    spec: {
      stableWindow: windowMs * NS_PER_MS,
      panicWindow: panicWindowMs * NS_PER_MS,
      scrapeTarget: burstCapacity === -1 ? '' : privateName(podAutoscaler.metadata.name),
    },
  };
}

export function withMetricStatus(metric: Metric, nowMs: number): Metric {
  const before = metric.status?.conditions ?? [];
  return {
    ...metric,
    metadata: unversioned(metric.metadata),
    status: {
      observedGeneration: metric.metadata.generation ?? 1,
      conditions: conditionsAfter(METRIC_CONDITIONS, before, [], nowMs),
    },
  };
}

/** What belongs to a PodAutoscaler has its name, labels and annotations. */
function sameMeta(podAutoscaler: PodAutoscaler): ObjectMeta {
  const { name, labels = {}, annotations = {} } = podAutoscaler.metadata;
  const own = without(annotations, (annotation) => annotation.startsWith('autoscaling.internal.'));
  return { ...ownedMeta(podAutoscaler, name), labels, annotations: own };
}

function ownedMeta(owner: Resource, name: string): ObjectMeta {
  const { namespace } = owner.metadata;
  return { name, ...(namespace !== undefined && { namespace }), ownerReferences: [ownerOf(owner)] };
}

function without(
  all: Readonly<Record<string, string>>,
  isLeftOut: (name: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !isLeftOut(name)));
}

/** Whoever writes a status is its only writer. */
function unversioned({ resourceVersion: _version, ...metadata }: ObjectMeta): ObjectMeta {
  return metadata;
}
