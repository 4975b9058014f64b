import { BUS, CLUSTER_BUS, type Bus } from '../apis/legacy/channels/bus.ts';
import { BUS_CHANNEL, BUS_CHANNEL_CONDITIONS, type BusChannel } from '../apis/legacy/channels/channel.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { KindName, ResourceClient } from '../control/resource-client.ts';
import { givenArguments } from './arguments.ts';
import { ANY_BACKING, shippedBacking } from './backing-kinds.ts';
import { translateChannel } from './channel-translation.ts';
import { channelHost } from './names-of-then.ts';
import { fieldOf, findServed, mirrored, missing, type Translated } from './translation.ts';

/** The Channel of July 2018: its bus says where its events are kept. */
export function busChannelReconciler(cluster: ResourceClient): Reconciler<BusChannel> {
  return {
    kind: BUS_CHANNEL,
    conditions: BUS_CHANNEL_CONDITIONS,
    async reconcile(channel) {
      const { name, namespace = '' } = channel.metadata;
      const translated = await channelOf(cluster, channel);
      const url = fieldOf(translated, 'address', 'url');
      const status = {
        service: { name: `${name}-channel` },
        virtualService: { name: `${name}-channel` },
        domainInternal: channelHost(name, namespace),
        address: url === undefined ? undefined : { url },
      };
      return settled(
        translated.kind === 'missing' ? {} : status,
        mirrored('Provisioned', translated),
        mirrored('Serviceable', translated, 'Addressable'),
        mirrored('Routeable', translated, 'Addressable'),
      );
    },
  };
}

async function channelOf(cluster: ResourceClient, channel: BusChannel): Promise<Translated> {
  const found = await busOf(cluster, channel);
  if (found.kind === 'none') return missing('BusNotFound', found.message);
  const given = givenArguments(found.title, found.bus?.spec?.parameters?.channel, channel.spec?.arguments);
  if (given.kind === 'fault') return missing('ArgumentMissing', given.message);
  return translateChannel(cluster, channel, found.backing, given.values);
}

export type BusFound =
  | {
      readonly kind: 'bus';
      readonly title: string;
      readonly backing: KindName;
      readonly bus: Bus | undefined;
    }
  | { readonly kind: 'none'; readonly message: string };

/** The bus of a channel. One of those that were shipped needs no object; with one, its parameters count. */
export async function busOf(cluster: ResourceClient, { spec, metadata }: BusChannel): Promise<BusFound> {
  const { bus: local = '', clusterBus = '' } = spec ?? {};
  const isLocal = local !== '';
  const [kind, name] = isLocal ? [BUS, local] : [CLUSTER_BUS, clusterBus];
  const found = await findServed(cluster, kind, isLocal ? metadata.namespace : undefined, name);
  const bus = typeof found === 'object' ? (found as Bus) : undefined;
  const shipped = shippedBacking(name);
  const title = `${kind.kind} ${isLocal ? `${metadata.namespace}/${name}` : name}`;
  if (bus === undefined && shipped === undefined) {
    const message = `${title} is not there; only stub, kafka, rabbitmq and gcppubsub need no object`;
    return { kind: 'none', message };
  }
  return { kind: 'bus', title, backing: shipped ?? ANY_BACKING, bus };
}
