import { autoscalerConfig } from '../../apis/autoscaling/config.ts';
import { POD_AUTOSCALER_CONDITIONS } from '../../apis/autoscaling/pod-autoscaler/status.ts';
import { POD_AUTOSCALER, type PodAutoscaler } from '../../apis/autoscaling/pod-autoscaler/types.ts';
import { conditionOf, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { keyOf } from '../../apis/resource.ts';
import { settled, waitingFor, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { excessBurstCapacity } from '../autoscaler/decide.ts';
import type { ScalePlan } from '../plan.ts';
import { activeFrom, activeMark, type Standing } from './active.ts';
import { metricOf, serverlessServiceOf, withMetricStatus, withServiceStatus } from './autoscaler-objects.ts';

/** How the data plane has a revision: its instances, its plan, and what was last asked of it. */
export type ScaleView = Omit<Standing, 'scale'> & {
  readonly scale: ScalePlan;
  /** The mean over the panic window; 0 where nothing was measured. */
  readonly panic: number;
};

export type PodAutoscalerSettings = {
  /** Undefined: the data plane has no plan of it yet, or none any more. */
  readonly viewOf: (revision: string) => ScaleView | undefined;
  readonly configMap: () => Readonly<Record<string, string>> | undefined; // config-autoscaler
  readonly nowMs: () => number;
};

/** Tells how a revision is scaled; the scaling itself is the data plane's, and waits for no object. */
export function podAutoscalerReconciler(
  cluster: ResourceClient,
  settings: PodAutoscalerSettings,
): Reconciler<PodAutoscaler> {
  return {
    kind: POD_AUTOSCALER,
    conditions: POD_AUTOSCALER_CONDITIONS,
    async reconcile(podAutoscaler) {
      const view = settings.viewOf(keyOf(podAutoscaler));
      const { name } = podAutoscaler.metadata;
      const status = {
        serviceName: name,
        metricsServiceName: `${name}-private`,
        desiredScale: view?.desired ?? -1,
        actualScale: view?.ready ?? 0,
      };
      if (view === undefined) return waitingFor(status);
      const capacity = autoscalerConfig(settings.configMap()).activatorCapacity;
      await tell(cluster, podAutoscaler, view, capacity, settings.nowMs());
      return settled(status, ...marksOf(podAutoscaler, view));
    },
  };
}

function marksOf({ status }: PodAutoscaler, view: ScaleView): Mark[] {
  const wasInitialized = conditionOf(status, 'ScaleTargetInitialized')?.status === 'True';
  const isInitialized = wasInitialized || view.ready >= activeFrom(view.scale, false);
  return [
    activeMark(view, wasInitialized, conditionOf(status, 'Active')),
    isInitialized ? isTrue('ScaleTargetInitialized') : isUnknown('ScaleTargetInitialized'),
    view.ready > 0 ? isTrue('SKSReady') : isUnknown('SKSReady', 'NotReady', 'K8s Service is not ready'),
  ];
}

/** The ServerlessService, and the Metric of what is scaled by requests. */
async function tell(
  cluster: ResourceClient,
  podAutoscaler: PodAutoscaler,
  view: ScaleView,
  activatorCapacity: number,
  nowMs: number,
): Promise<void> {
  const { scale, ready, desired, panic } = view;
  const excess = excessBurstCapacity(scale, ready, panic);
  const isByRequests = scale.scaler.kind === 'kpa';
  const service = await cluster.apply(
    serverlessServiceOf(podAutoscaler, {
      mode: isByRequests && (desired === 0 || excess < 0) ? 'Proxy' : 'Serve',
      activators: isByRequests ? activatorsFor(scale, ready, activatorCapacity) : 0,
    }),
  );
  await cluster.patchStatus(withServiceStatus(service, ready, nowMs));
  if (!isByRequests) return;
  const metric = await cluster.apply(metricOf(podAutoscaler, scale));
  await cluster.patchStatus(withMetricStatus(metric, nowMs));
}

/** As many as upstream would put before it (kpa.go, computeNumActivators). */
function activatorsFor({ total, burstCapacity }: ScalePlan, ready: number, capacity: number): number {
  if (burstCapacity === 0) return 2;
  return Math.max(2, Math.ceil((ready * total + Math.max(0, burstCapacity)) / capacity));
}
