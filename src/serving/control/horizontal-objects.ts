import { rfc3339 } from '../../apis/conditions.ts';
import {
  HORIZONTAL_POD_AUTOSCALER,
  type HorizontalPodAutoscaler,
  type MetricSpec,
  type MetricStatus,
} from '../../apis/autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import type { PodAutoscaler } from '../../apis/autoscaling/pod-autoscaler/types.ts';
import { ownerOf } from '../../control/owned.ts';
import type { HorizontalPlan } from '../autoscaler/horizontal.ts';

const MIB = 1024 * 1024;
const NO_BOUND = 2 ** 31 - 1;

/** How the instances of a revision stand, and what each used of its resource in the mean; undefined: not measured yet. */
export type HorizontalView = {
  readonly ready: number;
  readonly desired: number;
  readonly used: number | undefined;
};

/** What a revision of class `hpa` is scaled by (serving pkg/reconciler/autoscaling/hpa/resources/hpa.go). */
export function horizontalOf(podAutoscaler: PodAutoscaler, plan: HorizontalPlan): HorizontalPodAutoscaler {
  const { name, namespace, labels = {}, annotations = {} } = podAutoscaler.metadata;
  const { minScale, maxScale, downWindowMs, upWindowMs } = plan;
  const window = downWindowMs / 1000;
  return {
    ...HORIZONTAL_POD_AUTOSCALER,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels,
      annotations,
      ownerReferences: [ownerOf(podAutoscaler)],
    },
    spec: {
      scaleTargetRef: podAutoscaler.spec.scaleTargetRef,
      minReplicas: minScale,
      maxReplicas: maxScale === 0 ? NO_BOUND : maxScale,
      metrics: [metricOf(plan)],
      // Without annotation `window` both times are Kubernetes' own, and differ.
      ...(upWindowMs === downWindowMs && {
        behavior: {
          scaleDown: { stabilizationWindowSeconds: window },
          scaleUp: { stabilizationWindowSeconds: window },
        },
      }),
    },
  };
}

/** autoscaling/v2 HorizontalPodAutoscalerStatus, as its controller in Kubernetes writes it. */
export function withHorizontalStatus(
  autoscaler: HorizontalPodAutoscaler,
  plan: HorizontalPlan,
  { ready, desired, used }: HorizontalView,
  nowMs: number,
): HorizontalPodAutoscaler {
  const { resourceVersion: _version, ...metadata } = autoscaler.metadata; // its status has one writer
  const bound = desired <= plan.minScale ? 'TooFewReplicas' : 'TooManyReplicas';
  const isBounded = desired <= plan.minScale || (plan.maxScale > 0 && desired >= plan.maxScale);
  const isMeasured = used !== undefined;
  const conditions = [
    ['AbleToScale', true, 'ReadyForNewScale', 'recommended size matches current size'],
    [
      'ScalingActive',
      isMeasured,
      isMeasured ? 'ValidMetricFound' : 'FailedGetResourceMetric',
      isMeasured
        ? `the HPA was able to successfully calculate a replica count from ${plan.resource} resource ${plan.resource === 'cpu' ? 'utilization (percentage of request)' : ''}`.trim()
        : `no instance of it has been measured yet; that is done every 15 s`,
    ],
    [
      'ScalingLimited',
      isBounded,
      isBounded ? bound : 'DesiredWithinRange',
      isBounded
        ? `the desired replica count is at its ${bound === 'TooFewReplicas' ? 'minimum' : 'maximum'}`
        : 'the desired count is within the acceptable range',
    ],
  ] as const;
  const before = (autoscaler.status?.conditions ?? []) as readonly Condition[];
  return {
    ...autoscaler,
    metadata,
    status: {
      observedGeneration: metadata.generation ?? 1,
      currentReplicas: ready,
      desiredReplicas: desired,
      ...(used !== undefined && { currentMetrics: [statusOf(plan, used)] }),
      conditions: conditions.map(([type, is, reason, message]) => {
        const status = is ? 'True' : 'False';
        const same = before.find((each) => each.type === type && each.status === status);
        return {
          type,
          status,
          reason,
          message,
          lastTransitionTime: same?.lastTransitionTime ?? rfc3339(nowMs),
        };
      }),
    },
  };
}

type Condition = { readonly type: string; readonly status: string; readonly lastTransitionTime: string };

function metricOf({ resource: name, target }: HorizontalPlan): MetricSpec {
  return name === 'cpu'
    ? { type: 'Resource', resource: { name, target: { type: 'Utilization', averageUtilization: target } } }
    : {
        type: 'Resource',
        resource: { name, target: { type: 'AverageValue', averageValue: mebibytes(target) } },
      };
}

/** The mean of all instances: of the CPU also the share of what is requested. */
function statusOf({ resource: name, requested }: HorizontalPlan, used: number): MetricStatus {
  const averageUtilization = Math.floor((used / requested) * 100);
  return name === 'cpu'
    ? {
        type: 'Resource',
        resource: { name, current: { averageUtilization, averageValue: `${Math.ceil(used * 1000)}m` } },
      }
    : { type: 'Resource', resource: { name, current: { averageValue: String(Math.round(used)) } } };
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / MIB)}Mi`;
