import { isDeepStrictEqual } from 'node:util';
import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Configuration, type Revision } from '../../apis/serving/types.ts';
import { isOwnedBy } from '../../control/owned.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

export type Named =
  | { readonly kind: 'free' }
  | { readonly kind: 'own'; readonly revision: Revision }
  /** Somebody else's, or of an earlier generation and another spec. */
  | { readonly kind: 'taken' };

/**
 * What there is under a name that a template gives to its revision: one of an earlier generation is taken up again when its
 * spec is the same, which is how a roll-back by name works (serving CheckNameAvailability).
 */
export async function namedRevision(
  cluster: ResourceReader,
  configuration: Configuration,
  name: string,
): Promise<Named> {
  const { namespace, generation = 1 } = configuration.metadata;
  const revision = await cluster.find<Revision>(KINDS.revision, namespace, name);
  if (revision === undefined) return { kind: 'free' };
  if (!isOwnedBy(revision, configuration)) return { kind: 'taken' };
  const isOfNow = revision.metadata.labels?.[LABELS.configurationGeneration] === String(generation);
  const isSame = isOfNow || isDeepStrictEqual(configuration.spec.template?.spec, revision.spec);
  return isSame ? { kind: 'own', revision } : { kind: 'taken' };
}
