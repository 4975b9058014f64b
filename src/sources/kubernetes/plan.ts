import { isFalse } from '../../apis/conditions.ts';
import { TELLS_SCALING } from '../../apis/core/scaling-events.ts';
import type { EventFilter } from '../../apis/event-filters.ts';
import type { LabelSelector } from '../../apis/label-selector.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ApiServerSource, WatchedResource } from '../../apis/sources/api-server-source/schema.ts';
import { clusterChoiceOf, KUBECONFIG_SECRET } from '../../apis/sources/cluster-annotations.ts';
import type { KubernetesEventSource } from '../../apis/sources/kubernetes-event-source/schema.ts';
import type { ClusterAccess } from '../../control/watched-cluster.ts';
import type { Planned, ReadSecret } from '../source.ts';

/** What is watched, and what becomes of it. */
export type KubernetesPlan = {
  readonly access: ClusterAccess;
  readonly resources: readonly WatchedResource[];
  readonly namespaces: WatchedNamespaces;
  readonly tells: Tells;
  /** Events of instances that come and go with the requests, too. */
  readonly tellsScaling: boolean;
  /** Whether access reviews are asked for first. */
  readonly checksAccess: boolean;
};

export type WatchedNamespaces =
  | { readonly kind: 'one'; readonly namespace: string }
  | { readonly kind: 'all' }
  | { readonly kind: 'selected'; readonly selector: LabelSelector };

export type Tells =
  | {
      readonly kind: 'changes'; // of an ApiServerSource
      readonly teller: string;
      readonly mode: 'Reference' | 'Resource';
      readonly owner: { readonly apiVersion: string; readonly kind: string } | undefined;
      readonly filters: readonly EventFilter[];
    }
  | { readonly kind: 'core-events' }; // of the legacy source

/** As upstream has it for clusters that are too large for access reviews. */
export const SKIPS_ACCESS_CHECK = 'features.knative.dev/apiserversource-skip-permissions-check';
const CORE_EVENT = { apiVersion: 'v1', kind: 'Event' };

export function planApiServerSource(
  source: ApiServerSource,
  readSecret: ReadSecret,
): Planned<KubernetesPlan> {
  const { metadata, spec } = source;
  const { namespace = '', name, annotations = {} } = metadata;
  const { resources, mode, owner, filters = [] } = spec;
  return withAccess(source, readSecret, (access) => ({
    access,
    resources,
    namespaces: namespacesOf(namespace, spec.namespaceSelector),
    tellsScaling: tellsScaling(source),
    tells: { kind: 'changes', teller: `${namespace}/${name}`, mode, owner, filters },
    checksAccess: annotations[SKIPS_ACCESS_CHECK]?.toLowerCase() !== 'true',
  }));
}

export function planKubernetesEventSource(
  source: KubernetesEventSource,
  readSecret: ReadSecret,
): Planned<KubernetesPlan> {
  return withAccess(source, readSecret, (access) => ({
    access,
    resources: [CORE_EVENT],
    namespaces: { kind: 'one', namespace: source.spec.namespace },
    tells: { kind: 'core-events' },
    tellsScaling: tellsScaling(source),
    checksAccess: true,
  }));
}

const tellsScaling = ({ metadata: { annotations = {} } }: Resource): boolean =>
  annotations[TELLS_SCALING] === 'true';

/** An empty selector is all namespaces, by one watch of them all (eventing pkg/reconciler/apiserversource). */
function namespacesOf(own: string, selector: LabelSelector | undefined): WatchedNamespaces {
  if (selector === undefined) return { kind: 'one', namespace: own };
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const isEmpty = Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
  return isEmpty ? { kind: 'all' } : { kind: 'selected', selector };
}

function withAccess(
  source: Resource,
  readSecret: ReadSecret,
  plan: (access: ClusterAccess) => KubernetesPlan,
): Planned<KubernetesPlan> {
  const choice = clusterChoiceOf(source);
  if (choice.kind !== 'secret') return { kind: 'plan', plan: plan({ kind: choice.kind }) };
  const text = readSecret(source.metadata.namespace ?? '', choice.name, choice.key);
  if (text !== undefined) return { kind: 'plan', plan: plan({ kind: 'kubeconfig', text }) };
  const message = `there is no key ${choice.key} in Secret ${choice.name}, which the annotation ${KUBECONFIG_SECRET} names`;
  return { kind: 'missing', mark: isFalse('Deployed', 'SecretMissing', message) };
}
