import {
  PROVISIONED_CHANNEL,
  PROVISIONED_CHANNEL_CONDITIONS,
  type ProvisionedChannel,
} from '../apis/legacy/eventing/channel.ts';
import { CLUSTER_CHANNEL_PROVISIONER } from '../apis/legacy/eventing/cluster-channel-provisioner.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { plainArguments } from './arguments.ts';
import { ANY_BACKING, shippedBacking } from './backing-kinds.ts';
import { translateChannel } from './channel-translation.ts';
import { channelHost } from './names-of-then.ts';
import { fieldOf, findServed, mirrored, missing, type Translated } from './translation.ts';

/** The Channel of Knative 0.2: its provisioner says where its events are kept. */
export function provisionedChannelReconciler(cluster: ResourceClient): Reconciler<ProvisionedChannel> {
  return {
    kind: PROVISIONED_CHANNEL,
    conditions: PROVISIONED_CHANNEL_CONDITIONS,
    async reconcile(channel) {
      const { name, namespace = '' } = channel.metadata;
      const translated = await channelOf(cluster, channel);
      const url = fieldOf(translated, 'address', 'url');
      const address = { hostname: channelHost(name, namespace), ...(url !== undefined && { url }) };
      return settled(
        translated.kind === 'missing' ? {} : { address },
        mirrored('Provisioned', translated),
        mirrored('Addressable', translated, 'Addressable'),
      );
    },
  };
}

async function channelOf(cluster: ResourceClient, channel: ProvisionedChannel): Promise<Translated> {
  const { provisioner, arguments: free } = channel.spec ?? {};
  const { name = '', kind = '' } = provisioner ?? {};
  if (kind !== CLUSTER_CHANNEL_PROVISIONER.kind)
    return missing(
      'ProvisionerUnknown',
      `a ${kind} provisions no channels; expected a ClusterChannelProvisioner`,
    );
  const shipped = shippedBacking(name);
  const found = await findServed(cluster, CLUSTER_CHANNEL_PROVISIONER, undefined, name);
  if (shipped === undefined && typeof found !== 'object') {
    const why = `ClusterChannelProvisioner ${name} is not there; only in-memory-channel, kafka and gcp-pubsub need no object`;
    return missing('ProvisionerNotFound', why);
  }
  return translateChannel(cluster, channel, shipped ?? ANY_BACKING, plainArguments(free));
}
