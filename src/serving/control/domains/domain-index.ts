import { keyOf, type Resource } from '../../../apis/resource.ts';
import { pathTargets } from '../../../apis/serving/domain-mapping/reach.ts';
import { DOMAIN_MAPPING, type DomainMapping } from '../../../apis/serving/domain-mapping/types.ts';
import type { Informers } from '../../../control/informer.ts';
import { KeyIndex } from '../../../control/key-index.ts';

/** Which DomainMappings name what, so that a change of one object is looked at for those that it concerns. */
export class DomainIndex {
  readonly #index = new KeyIndex();

  constructor(informers: Informers) {
    informers.of(DOMAIN_MAPPING).onChange((object, type) => {
      const mapping = object as DomainMapping; // of the informer's kind
      this.#index.set(keyOf(mapping), type === 'DELETED' ? [] : groupsOf(mapping));
    });
  }

  /** Something that a mapping may lead to. */
  readonly onNamed = ({ metadata: { namespace, name } }: Resource): readonly string[] =>
    this.#index.of(`to ${namespace}/${name}`);

  readonly onSecret = ({ metadata: { namespace, name } }: Resource): readonly string[] =>
    this.#index.of(`secret ${namespace}/${name}`);

  readonly onClaim = ({ metadata: { name } }: Resource): readonly string[] =>
    this.#index.of(`domain ${name}`);
}

function groupsOf({ metadata, spec: { ref, tls } }: DomainMapping): readonly string[] {
  const { namespace, name, annotations } = metadata;
  const names = new Set([ref.name, ...pathTargets(annotations).map(({ service }) => service)]);
  return [
    `domain ${name}`,
    ...[...names].map((each) => `to ${namespace}/${each}`),
    ...(tls === undefined ? [] : [`secret ${namespace}/${tls.secretName}`]),
  ];
}
