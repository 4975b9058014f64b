import { rfc3339 } from '../../../apis/conditions.ts';
import type { Resource } from '../../../apis/resource.ts';
import { ANNOTATIONS, LABELS } from '../../../apis/serving/shared.ts';
import {
  KINDS,
  type Configuration,
  type Revision,
  type Route,
  type TrafficTarget,
} from '../../../apis/serving/types.ts';
import { isConflict, type KindName, type ResourceClient } from '../../../control/resource-client.ts';

const TRIES_MAX = 5;

/** Revisions and Configurations that say in their annotation that a route leads to them, by name. */
export type Labelled = (
  namespace: string,
  route: string,
) => { readonly revisions: readonly string[]; readonly configurations: readonly string[] };

export type RoutedTo = {
  readonly revisions: ReadonlySet<string>;
  readonly configurations: ReadonlySet<string>;
};

/** What a route leads to, or is about to: the latest revision is marked before it is ready (serving pkg/reconciler/labeler). */
export async function routedTo(
  cluster: ResourceClient,
  namespace: string,
  traffic: readonly TrafficTarget[],
): Promise<RoutedTo> {
  const [revisions, configurations] = [new Set<string>(), new Set<string>()];
  for (const target of traffic) {
    let { configurationName } = target;
    if (target.revisionName) {
      const revision = await cluster.find<Revision>(KINDS.revision, namespace, target.revisionName);
      if (revision === undefined) continue;
      revisions.add(target.revisionName);
      const owner = revision.metadata.ownerReferences?.find(({ controller }) => controller === true);
      if (owner?.kind === 'Configuration') configurationName = owner.name;
    }
    if (!configurationName) continue;
    const configuration = await cluster.find<Configuration>(
      KINDS.configuration,
      namespace,
      configurationName,
    );
    if (configuration === undefined) continue;
    configurations.add(configurationName);
    const created = configuration.status?.latestCreatedRevisionName;
    if (target.latestRevision === true && created) revisions.add(created);
  }
  return { revisions, configurations };
}

/**
 * Says on each of them that the route leads there, and takes that back where it does not any more: only once the route is
 * settled, so that nothing is let go that traffic still goes to.
 */
export async function markRouted(
  cluster: ResourceClient,
  route: Route,
  to: RoutedTo,
  { labelled, isSettled, nowMs }: { labelled: Labelled; isSettled: boolean; nowMs: number },
): Promise<void> {
  const { namespace = '', name } = route.metadata;
  const before = labelled(namespace, name);
  const mark = (kind: KindName, object: string, isRouted: boolean): Promise<void> =>
    markOne(cluster, { kind, namespace, name: object }, { route: name, isRouted, nowMs });
  const goneFrom = (names: readonly string[], kept: ReadonlySet<string>): readonly string[] =>
    isSettled ? names.filter((each) => !kept.has(each)) : [];
  for (const each of goneFrom(before.revisions, to.revisions)) await mark(KINDS.revision, each, false);
  for (const each of goneFrom(before.configurations, to.configurations))
    await mark(KINDS.configuration, each, false);
  for (const each of to.revisions) await mark(KINDS.revision, each, true);
  for (const each of to.configurations) await mark(KINDS.configuration, each, true);
}

/** The routes that lead to an object. */
export function routesOf({ metadata }: Resource): readonly string[] {
  return (metadata.annotations?.[ANNOTATIONS.routes] ?? '').split(',').filter((name) => name !== '');
}

type Marking = { readonly route: string; readonly isRouted: boolean; readonly nowMs: number };

/** An object whose status is written at the same time is read again: that is no reason to do the whole pass over. */
async function markOne(
  cluster: ResourceClient,
  { kind, namespace, name }: { kind: KindName; namespace: string; name: string },
  marking: Marking,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const object = await cluster.find(kind, namespace, name);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return;
    const metadata = marked(object, kind.kind === KINDS.revision.kind, marking);
    if (metadata === object.metadata) return;
    try {
      return void (await cluster.apply({ ...object, metadata }));
    } catch (error) {
      if (!isConflict(error) || tries === TRIES_MAX) throw error;
    }
  }
}

function marked(
  object: Resource,
  hasState: boolean,
  { route, isRouted, nowMs }: Marking,
): Resource['metadata'] {
  const others = routesOf(object).filter((each) => each !== route);
  const routes = (isRouted ? [...others, route] : others).toSorted();
  return routedMetadata(object.metadata, routes, hasState, nowMs);
}

function routedMetadata(
  metadata: Resource['metadata'],
  routes: readonly string[],
  hasState: boolean,
  nowMs: number,
): Resource['metadata'] {
  const { annotations = {}, labels = {} } = metadata;
  const { [ANNOTATIONS.routes]: before = '', ...others } = annotations;
  const state = routes.length > 0 ? 'active' : 'reserve';
  const isMoved = hasState && labels[LABELS.routingState] !== state;
  if (before === routes.join(',') && !isMoved) return metadata;
  return {
    ...metadata,
    annotations: {
      ...others,
      ...(routes.length > 0 && { [ANNOTATIONS.routes]: routes.join(',') }),
      ...(isMoved && { [ANNOTATIONS.routingStateModified]: rfc3339(nowMs) }),
    },
    ...(isMoved && { labels: { ...labels, [LABELS.routingState]: state } }),
  };
}
