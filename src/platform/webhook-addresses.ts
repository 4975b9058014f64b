import { keyOf, type Resource } from '../apis/resource.ts';
import { GITHUB_SOURCE } from '../apis/sources/github-source/schema.ts';
import { WEBHOOK_SOURCE } from '../apis/sources/webhook-source/schema.ts';
import type { Watch } from '../control/controller.ts';
import type { Informers } from '../control/informer.ts';
import type { KindName } from '../control/resource-client.ts';
import { isFirst, takenBy } from '../sources/door/address-claim.ts';

/** They share the addresses `/webhooks/<namespace>/<name>`. */
const AT_THE_DOOR: readonly KindName[] = [GITHUB_SOURCE, WEBHOOK_SOURCE];

/** Says why a source cannot have its address; undefined: it has it. */
export function addressTaken(informers: Informers): (source: Resource) => string | undefined {
  return (source) => {
    const others = othersThan(source).map((kind) => informers.of(kind).get(keyOf(source)));
    const first = others.find((other) => other !== undefined && !isFirst(source, other));
    return first && takenBy(first);
  };
}

/** What has the same address is looked at again when the other one comes or goes. */
export function sameAddress(informers: Informers, kind: KindName): Watch[] {
  if (!AT_THE_DOOR.some((each) => each.kind === kind.kind)) return [];
  return othersThan(kind).map((other) => ({
    kind: other,
    concerns: (object) => (informers.of(kind).get(keyOf(object)) === undefined ? [] : [keyOf(object)]),
  }));
}

const othersThan = ({ kind }: { readonly kind: string }): readonly KindName[] =>
  AT_THE_DOOR.filter((each) => each.kind !== kind);
