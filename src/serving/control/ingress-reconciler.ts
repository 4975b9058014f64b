import { isFalse, isTrue, isUnknown } from '../../apis/conditions.ts';
import { INGRESS_CONDITIONS } from '../../apis/networking/ingress/status.ts';
import { INGRESS, type Ingress, type LoadBalancer } from '../../apis/networking/ingress/types.ts';
import { keyOf } from '../../apis/resource.ts';
import { settled, waitingFor, type Reconciler } from '../../control/reconciler.ts';

export type IngressSettings = {
  /** The generation of an Ingress that the gateway routes by now; undefined: it does not know it. */
  readonly routedGeneration: (key: string) => number | undefined;
  /** A host of it that another asked for before. */
  readonly takenHostOf?: (key: string) => { readonly host: string; readonly by: string } | undefined;
  readonly publicLoadBalancer: LoadBalancer;
  readonly privateLoadBalancer: LoadBalancer;
};

/** An Ingress is ready when the gateway routes by it: then, and not before, its Route says that it is. */
export function ingressReconciler(settings: IngressSettings): Reconciler<Ingress> {
  const { routedGeneration, publicLoadBalancer, privateLoadBalancer } = settings;
  return {
    kind: INGRESS,
    conditions: INGRESS_CONDITIONS,
    async reconcile(ingress) {
      if (routedGeneration(keyOf(ingress)) !== (ingress.metadata.generation ?? 1))
        return waitingFor(
          {},
          isUnknown('LoadBalancerReady', 'Uninitialized', 'Waiting for load balancer to be ready'),
          isUnknown('NetworkConfigured', 'Uninitialized', 'Waiting for load balancer to be ready'),
        );
      const taken = settings.takenHostOf?.(keyOf(ingress));
      if (taken !== undefined)
        return waitingFor({}, isFalse('LoadBalancerReady', 'HostTaken', takenText(taken)));
      const status = { publicLoadBalancer, privateLoadBalancer };
      return settled(status, isTrue('LoadBalancerReady'), isTrue('NetworkConfigured'));
    },
  };
}

/** The key of a plan is that of its Ingress, and a number. */
function takenText({ host, by }: { readonly host: string; readonly by: string }): string {
  return `host ${host} is led by Ingress ${by.replace(/#\d+$/, '')}, which is older; one of the two needs another name`;
}
