import { autoscalerConfig } from '../../apis/autoscaling/config.ts';
import { HORIZONTAL_POD_AUTOSCALER } from '../../apis/autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { POD_AUTOSCALER_CONDITIONS } from '../../apis/autoscaling/pod-autoscaler/status.ts';
import { POD_AUTOSCALER, type PodAutoscaler } from '../../apis/autoscaling/pod-autoscaler/types.ts';
import { conditionOf, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { ServerlessService } from '../../apis/networking/serverless-service/serverless-service.ts';
import { keyOf } from '../../apis/resource.ts';
import { settled, waitingFor, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { excessBurstCapacity } from '../autoscaler/decide.ts';
import type { HorizontalPlan } from '../autoscaler/horizontal.ts';
import type { ScalePlan } from '../plan.ts';
import { activeFrom, activeMark, type Standing } from './active.ts';
import { metricOf, serverlessServiceOf, withMetricStatus, withServiceStatus } from './autoscaler-objects.ts';
import { horizontalOf, withHorizontalStatus } from './horizontal-objects.ts';
import {
  privateEndpointsOf,
  privateName,
  privateServiceOf,
  publicEndpointsOf,
  publicServiceOf,
  type Door,
  type ReadyInstance,
} from './scale-services.ts';
import { writeService } from './scale-slices.ts';

/** How the data plane has a revision: its instances, its plan, and what was last asked of it. */
export type ScaleView = Omit<Standing, 'scale'> & {
  readonly scale: ScalePlan;
  /** The mean over the panic window; 0 where nothing was measured. */
  readonly panic: number;
  readonly instances: readonly ReadyInstance[];
  /** Cores or bytes of an instance, where class `hpa` measures them. */
  readonly used?: number | undefined;
};

export type PodAutoscalerSettings = {
  /** Undefined: the data plane has no plan of it yet, or none any more. */
  readonly viewOf: (revision: string) => ScaleView | undefined;
  readonly configMap: () => Readonly<Record<string, string>> | undefined; // config-autoscaler
  /** Where the names inside the cluster are answered. */
  readonly door: Door;
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
        metricsServiceName: privateName(name),
        desiredScale: view?.desired ?? -1,
        actualScale: view?.ready ?? 0,
      };
      if (view === undefined) return waitingFor(status);
      const capacity = autoscalerConfig(settings.configMap()).activatorCapacity;
      await tell(cluster, podAutoscaler, view, { ...settings, capacity });
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

/** The ServerlessService with its Services, and the Metric of what is scaled by requests. */
async function tell(
  cluster: ResourceClient,
  podAutoscaler: PodAutoscaler,
  view: ScaleView,
  { capacity, door, nowMs }: PodAutoscalerSettings & { readonly capacity: number },
): Promise<void> {
  const { scale, ready, desired, panic } = view;
  const excess = excessBurstCapacity(scale, ready, panic);
  const isByRequests = scale.scaler.kind === 'kpa';
  const service = await cluster.apply(
    serverlessServiceOf(podAutoscaler, {
      mode: isByRequests && (desired === 0 || excess < 0) ? 'Proxy' : 'Serve',
      activators: isByRequests ? activatorsFor(scale, ready, capacity) : 0,
    }),
  );
  await tellServices(cluster, service, view.instances, door);
  await cluster.patchStatus(withServiceStatus(service, ready, nowMs()));
  if (scale.scaler.kind === 'hpa')
    await tellHorizontal(cluster, podAutoscaler, view, scale.scaler.plan, nowMs());
  else await dropHorizontal(cluster, podAutoscaler);
  if (!isByRequests) return;
  const metric = await cluster.apply(metricOf(podAutoscaler, scale));
  await cluster.patchStatus(withMetricStatus(metric, nowMs()));
}

/** What scales a revision of class `hpa`, as Kubernetes would have it (serving pkg/reconciler/autoscaling/hpa). */
async function tellHorizontal(
  cluster: ResourceClient,
  podAutoscaler: PodAutoscaler,
  { ready, desired, used }: ScaleView,
  plan: HorizontalPlan,
  nowMs: number,
): Promise<void> {
  const autoscaler = await cluster.apply(horizontalOf(podAutoscaler, plan));
  await cluster.patchStatus(withHorizontalStatus(autoscaler, plan, { ready, desired, used }, nowMs));
}

/** One that was of class `hpa` before. */
async function dropHorizontal(cluster: ResourceClient, { metadata }: PodAutoscaler): Promise<void> {
  const { namespace, name } = metadata;
  const old = await cluster.find(HORIZONTAL_POD_AUTOSCALER, namespace, name);
  if (old !== undefined) await cluster.remove(HORIZONTAL_POD_AUTOSCALER, namespace, name);
}

/** Its names inside the cluster, and who is behind them now (serving pkg/reconciler/serverlessservice). */
async function tellServices(
  cluster: ResourceClient,
  service: ServerlessService,
  instances: readonly ReadyInstance[],
  door: Door,
): Promise<void> {
  await Promise.all([
    writeService(cluster, privateServiceOf(service), privateEndpointsOf(service, instances)),
    writeService(cluster, publicServiceOf(service), publicEndpointsOf(service, instances, door)),
  ]);
}

/** As many as upstream would put before it (kpa.go, computeNumActivators). */
function activatorsFor({ total, burstCapacity }: ScalePlan, ready: number, capacity: number): number {
  if (burstCapacity === 0) return 2;
  return Math.max(2, Math.ceil((ready * total + Math.max(0, burstCapacity)) / capacity));
}
