import type { Resource } from '../../apis/resource.ts';

/**
 * Sources of different kinds share the addresses `/webhooks/<namespace>/<name>`: the one that was there first has it. Of two
 * that came within the same second it is the one whose kind comes first in the alphabet.
 */
export function isFirst(source: Resource, other: Resource | undefined): boolean {
  if (other === undefined) return true;
  const [mine, theirs] = [source, other].map(({ metadata }) => metadata.creationTimestamp ?? '');
  return mine === theirs ? source.kind < other.kind : (mine ?? '') < (theirs ?? '');
}

/** What the other one is told. */
export function takenBy({ kind, metadata: { namespace, name } }: Resource): string {
  return `${kind} ${namespace}/${name} answers at this address already; give one of them another name`;
}
