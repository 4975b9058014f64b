import { isFalse, isTrue, type ConditionSet, type Mark } from '../apis/conditions.ts';
import { BUS_CONDITIONS, type Bus } from '../apis/legacy/channels/bus.ts';
import {
  CLUSTER_CHANNEL_PROVISIONER,
  PROVISIONER_CONDITIONS,
} from '../apis/legacy/eventing/cluster-channel-provisioner.ts';
import type { Resource } from '../apis/resource.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { KindName, ResourceClient } from '../control/resource-client.ts';
import { backingNamed } from './backing-kinds.ts';
import { findServed } from './translation.ts';

/** A Bus or ClusterBus: nothing is made of it, and it says where the events of its channels are kept. */
export function busReconciler(cluster: ResourceClient, kind: KindName): Reconciler<Bus> {
  return {
    kind,
    conditions: BUS_CONDITIONS,
    async reconcile(bus) {
      const provisioning =
        bus.spec?.provisioner === undefined
          ? isTrue('Provisioning', 'NoProvisioner', 'the bus has no provisioner')
          : isTrue('Provisioning');
      return settled({}, isTrue('Serviceable'), provisioning, await keptBy(cluster, bus, 'Dispatching'));
    },
  };
}

/** The same in the words of v0.2, whose only condition is Ready. */
export function provisionerReconciler(cluster: ResourceClient): Reconciler<Resource> {
  const conditions: ConditionSet = PROVISIONER_CONDITIONS;
  return {
    kind: CLUSTER_CHANNEL_PROVISIONER,
    conditions,
    async reconcile(provisioner) {
      return settled({}, await keptBy(cluster, provisioner, conditions.happy));
    },
  };
}

async function keptBy(cluster: ResourceClient, { metadata }: Resource, type: string): Promise<Mark> {
  const backing = backingNamed(metadata.name);
  const isServed = (await findServed(cluster, backing, 'default', metadata.name)) !== 'unknown';
  return isServed
    ? isTrue(type, backing.kind, `events of its channels are kept by a ${backing.kind}`)
    : isFalse(type, 'KindNotServed', `this platform has no kind ${backing.kind} in ${backing.apiVersion}`);
}
