import { isDeepStrictEqual } from 'node:util';
import { keyOf, type Resource } from '../apis/resource.ts';
import { isOwnedBy } from '../control/owned.ts';
import type { KindName, ResourceClient } from '../control/resource-client.ts';
import { backingSpec } from './backing-kinds.ts';
import { CHANNEL } from './names-of-then.ts';
import { findServed, missing, translate, type Translated } from './translation.ts';

/** Makes today's Channel of one of then: the same name, and the template that its bus or provisioner stands for. */
export async function translateChannel(
  cluster: ResourceClient,
  channel: Resource,
  backing: KindName,
  given: ReadonlyMap<string, string>,
): Promise<Translated> {
  const { name, namespace = '' } = channel.metadata;
  const { spec, fault } = backingSpec(backing, given);
  if (fault !== undefined) return missing('ArgumentInvalid', fault);
  const channelTemplate = { ...backing, ...(spec !== undefined && { spec }) };
  const existing = await findServed(cluster, CHANNEL, namespace, name);
  if (typeof existing === 'object' && isOwnedBy(existing, channel)) {
    const before: unknown = existing.spec?.['channelTemplate'];
    if (!isDeepStrictEqual(before, channelTemplate)) {
      const why = `Channel ${keyOf(channel)} was made with other arguments, which cannot change; delete the channel and make it anew`;
      return missing('ArgumentsChanged', why);
    }
  }
  return translate(cluster, channel, {
    ...CHANNEL,
    metadata: { name, namespace },
    spec: { channelTemplate },
  } as Resource);
}
