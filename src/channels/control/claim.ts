import type { BackingChannel } from '../../apis/duck.ts';
import { isConflict, type ResourceClient } from '../../control/resource-client.ts';
import type { Claim } from '../backend.ts';

/** On a channel object: the uid for which a topic or exchange of its own name was made. */
const CLAIM = 'channels.millrace.dev/made-for';
const CONFLICTS_MAX = 5;

/** The claim of a channel object on its name in the broker, kept as an annotation that goes with the object. */
export function claimOn(cluster: ResourceClient, { apiVersion, kind, metadata }: BackingChannel): Claim {
  let isOurs = metadata.uid !== undefined && metadata.annotations?.[CLAIM] === metadata.uid;
  return {
    get isOurs() {
      return isOurs;
    },
    async make() {
      for (let conflicts = 0; !isOurs; conflicts += 1) {
        const found = await cluster.find<BackingChannel>(
          { apiVersion, kind },
          metadata.namespace,
          metadata.name,
        );
        if (found?.metadata.uid === undefined || found.metadata.uid !== metadata.uid)
          throw new Error(`${kind} ${metadata.namespace}/${metadata.name} is no longer there`);
        const annotations = { ...found.metadata.annotations, [CLAIM]: found.metadata.uid };
        try {
          await cluster.apply({ ...found, metadata: { ...found.metadata, annotations } });
          isOurs = true;
        } catch (error) {
          if (!isConflict(error) || conflicts >= CONFLICTS_MAX) throw error;
        }
      }
    },
  };
}

/** On a channel object: every subscriber that it has served, those that are gone, too. */
const SERVED = 'channels.millrace.dev/served';
/** As many are remembered, the newest; an annotation has room for these. */
const SERVED_MAX = 1000;

/** What a broker cannot list: the groups whose dead letters are still there when their Subscription is not. */
export function servedBy({ metadata: { annotations = {} }, status }: BackingChannel): readonly string[] {
  const remembered = (annotations[SERVED] ?? '').split(',').filter((uid) => uid !== '');
  return [...new Set([...remembered, ...(status?.subscribers ?? []).map(({ uid }) => uid)])];
}

/** Remembers these with the object; writes only when there is a new one. */
export async function rememberServed(
  cluster: ResourceClient,
  { apiVersion, kind, metadata }: BackingChannel,
  uids: readonly string[],
): Promise<void> {
  const found = await cluster.find<BackingChannel>({ apiVersion, kind }, metadata.namespace, metadata.name);
  if (found === undefined || found.metadata.uid !== metadata.uid) return;
  const known = (found.metadata.annotations?.[SERVED] ?? '').split(',').filter((uid) => uid !== '');
  const all = [...new Set([...known, ...uids])];
  if (all.length === known.length) return;
  const annotations = { ...found.metadata.annotations, [SERVED]: all.slice(-SERVED_MAX).join(',') };
  await cluster.apply({ ...found, metadata: { ...found.metadata, annotations } });
}
