import type { BackingChannel } from '../../apis/duck.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
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
          const isConflict = error instanceof Error && 'code' in error && error.code === 'CONFLICT';
          if (!isConflict || conflicts >= CONFLICTS_MAX) throw error;
        }
      }
    },
  };
}
