import { keyOf, type Resource } from '../../../apis/resource.ts';
import { KINDS, type Revision, type Route } from '../../../apis/serving/types.ts';
import { LABELS } from '../../../apis/serving/shared.ts';
import type { Informers } from '../../../control/informer.ts';
import { KeyIndex } from '../../../control/key-index.ts';
import { routesOf, type Labelled } from './routing-state.ts';

/**
 * Which Routes lead to what, and what says that a Route leads to it: by name, so that a change of one object is looked at
 * for the routes that it concerns, however many there are.
 */
export class RouteIndex {
  readonly #byTarget = new KeyIndex(); // route keys by `namespace/name` of a target
  readonly #revisions = new KeyIndex(); // revision names by route key
  readonly #configurations = new KeyIndex();

  constructor(informers: Informers) {
    informers.of(KINDS.route).onChange((object, type) => {
      const route = object as Route; // of the informer's kind
      const targets = [...(route.spec.traffic ?? []), ...(route.status?.traffic ?? [])];
      const names = targets.flatMap(({ revisionName, configurationName }) => [
        revisionName,
        configurationName,
      ]);
      const { namespace } = object.metadata;
      const groups = names.flatMap((name) => (name ? [`${namespace}/${name}`] : []));
      this.#byTarget.set(keyOf(object), type === 'DELETED' ? [] : [...new Set(groups)]);
    });
    this.#follow(informers, KINDS.revision, this.#revisions);
    this.#follow(informers, KINDS.configuration, this.#configurations);
  }

  /** Keys of the Routes that a changed Revision or Configuration concerns. */
  readonly concerns = (object: Resource): readonly string[] => {
    const { namespace } = object.metadata;
    const configuration = (object as Revision).metadata.labels?.[LABELS.configuration];
    const names = [object.metadata.name, ...(configuration ? [configuration] : [])];
    const routes = [
      ...names.flatMap((name) => this.#byTarget.of(`${namespace}/${name}`)),
      ...routesOf(object).map((route) => `${namespace}/${route}`),
    ];
    return [...new Set(routes)];
  };

  readonly labelled: Labelled = (namespace, route) => {
    const namesIn = (index: KeyIndex): string[] =>
      index.of(`${namespace}/${route}`).map((key) => key.slice(namespace.length + 1));
    return { revisions: namesIn(this.#revisions), configurations: namesIn(this.#configurations) };
  };

  #follow(informers: Informers, kind: { apiVersion: string; kind: string }, index: KeyIndex): void {
    informers.of(kind).onChange((object, type) => {
      const routes = routesOf(object).map((route) => `${object.metadata.namespace}/${route}`);
      index.set(keyOf(object), type === 'DELETED' ? [] : routes);
    });
  }
}
