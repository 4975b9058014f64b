import type { Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';
import type { ScaleTarget } from '../internal.ts';

export const POD_AUTOSCALER = {
  apiVersion: 'autoscaling.internal.knative.dev/v1alpha1',
  kind: 'PodAutoscaler',
} as const;

/** serving pkg/apis/autoscaling/v1alpha1/pa_types.go */
export type PodAutoscaler = Resource & {
  readonly spec: {
    readonly containerConcurrency?: number;
    readonly protocolType: string;
    /** Whether a Route leads to it; empty: nobody has said. */
    readonly reachability?: 'Reachable' | 'Unreachable' | '';
    readonly scaleTargetRef: ScaleTarget;
  };
  readonly status?: Status & {
    readonly serviceName?: string;
    readonly metricsServiceName?: string;
    readonly desiredScale?: number; // -1: nothing has been decided
    readonly actualScale?: number;
  };
};
