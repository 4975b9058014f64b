import type { GroupKind } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import type { EnvVar } from '../../serving/types.ts';
import type { SinkBinding } from './schema.ts';
import { bindingOf, isBindable, isExcluded } from './subject.ts';

type Container = { readonly env?: readonly EnvVar[] };
type Pod = { readonly containers?: readonly Container[]; readonly initContainers?: readonly Container[] };
type Bindable = Resource & { readonly spec?: { readonly template?: { readonly spec?: Pod } } };

/** The objects of a kind as they are stored now, in one namespace or all. */
export type Stored = (kind: GroupKind, namespace: string | undefined) => readonly Resource[];

/** What an instance is told of its sink; upstream's webhook takes these away from whoever else had set them. */
const NAMES: ReadonlySet<string | undefined> = new Set(['K_SINK', 'K_CE_OVERRIDES', 'K_CA_CERTS']);

/** The subject with its binding's variables, once the binding has found its sink; any other object as it is. */
export function bindSink(object: Resource, stored: Stored): Resource {
  if (!isBindable(object) || isFixed(object)) return object;
  const { namespace } = object.metadata;
  const bindings = stored({ group: 'sources.knative.dev', kind: 'SinkBinding' }, namespace);
  const binding = bindingOf(object, bindings as readonly SinkBinding[]); // of that kind
  const sinkUri = binding?.status?.sinkUri;
  if (binding === undefined || sinkUri === undefined) return object;
  const space = stored({ group: '', kind: 'Namespace' }, undefined).find(
    ({ metadata }) => metadata.name === namespace,
  );
  return isExcluded(object, space) ? object : bound(object, variablesOf(binding, sinkUri));
}

/** The template of a Job that is there does not change any more: it is bound when it is made. */
function isFixed({ kind, metadata }: Resource): boolean {
  return kind === 'Job' && metadata.resourceVersion !== undefined;
}

/** eventing pkg/apis/sources/v1/sinkbinding_lifecycle.go, Do. */
export function bound<R extends Resource>(object: R, variables: readonly EnvVar[]): R {
  return withContainers(object, ({ env = [], ...container }) => ({
    ...container,
    env: [...env.filter(({ name }) => !NAMES.has(name)), ...variables],
  }));
}

/** Undo, of the same file. */
export function unbound<R extends Resource>(object: R): R {
  return withContainers(object, (container) => {
    const { env, ...rest } = container;
    const kept = env?.filter(({ name }) => !NAMES.has(name)) ?? [];
    return env === undefined || kept.length === env.length
      ? container
      : kept.length === 0
        ? rest
        : { ...rest, env: kept };
  });
}

/** As Go writes them: members sorted, and no value where it is empty. */
export function variablesOf({ spec: { ceOverrides } }: SinkBinding, sinkUri: string): readonly EnvVar[] {
  const extensions = Object.entries(ceOverrides?.extensions ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const overrides = extensions.length === 0 ? {} : { extensions: Object.fromEntries(extensions) };
  return [
    { name: 'K_SINK', value: sinkUri },
    { name: 'K_CE_OVERRIDES', ...(ceOverrides !== undefined && { value: JSON.stringify(overrides) }) },
  ];
}

function withContainers<R extends Resource>(object: R, change: (container: Container) => Container): R {
  const { spec } = object as Bindable;
  const pod = spec?.template?.spec;
  if (pod === undefined) return object;
  const { containers, initContainers } = pod;
  const changed = {
    ...pod,
    ...(containers !== undefined && { containers: containers.map(change) }),
    ...(initContainers !== undefined && { initContainers: initContainers.map(change) }),
  };
  return { ...object, spec: { ...spec, template: { ...spec?.template, spec: changed } } };
}
