import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { isManual, withoutWritten } from '../../apis/legacy/serving/as-written.ts';
import { ANNOTATIONS, LABELS } from '../../apis/serving/shared.ts';
import { SERVICE_CONDITIONS } from '../../apis/serving/service/status.ts';
import {
  KINDS,
  type Configuration,
  type Route,
  type Service,
  type TrafficTarget,
} from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import { settled, type Outcome, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';
import { namedRevision } from './named-revision.ts';
import { routesOf } from './traffic/routing-state.ts';
import { WHILE_BLOCKED } from './while-blocked.ts';

const OWN_NOTES = 'serving.millrace.dev/';

/** A Service is a Configuration and a Route of the same name (serving pkg/reconciler/service). */
export function serviceReconciler(cluster: ResourceClient): Reconciler<Service> {
  return {
    kind: KINDS.service,
    conditions: SERVICE_CONDITIONS,
    async reconcile(service) {
      if (isManual(service)) return unmanaged(service);
      const { namespace = '', name } = service.metadata;
      const before = await cluster.find<Configuration>(KINDS.configuration, namespace, name);
      if (before !== undefined && !isOwnedBy(before, service))
        return notOwned(service, 'ConfigurationsReady', 'Configuration');
      const configuration = await cluster.apply(configurationOf(service, before));
      const events = before === undefined ? [created('Configuration', name)] : [];
      const { latestCreatedRevisionName, latestReadyRevisionName } = configuration.status ?? {};
      const status = { latestCreatedRevisionName, latestReadyRevisionName };
      const mark = propagated('ConfigurationsReady', 'Configuration', configuration);
      const revisionName = configuration.spec.template?.metadata?.name;
      if (revisionName !== undefined) {
        // Else the route could lead to a revision of that name that is not the one which is asked for.
        if (!isObserved(configuration)) return { ...settled(status, mark), events };
        if ((await namedRevision(cluster, configuration, revisionName)).kind === 'taken')
          return { ...settled(status, mark, nameTaken(revisionName)), events };
      }
      const route = await cluster.find<Route>(KINDS.route, namespace, name);
      if (route !== undefined && !isOwnedBy(route, service))
        return { ...notOwned(service, 'RoutesReady', 'Route', mark), status };
      const routed = await cluster.apply(routeOf(service));
      const { url, address, traffic } = routed.status ?? {};
      return {
        ...settled({ ...status, url, address, traffic }, mark, routeMark(routed, configuration)),
        events: [...events, ...(route === undefined ? [created('Route', name)] : [])],
      };
    },
  };
}

/** A Service of 2018 that its owner manages: neither made nor mended (serving v0.4, service_lifecycle.go). */
function unmanaged({ status }: Service): Outcome {
  const mark = (type: string): Mark =>
    isUnknown(type, 'Manual', 'Service is set to Manual, and is not managing underlying resources.');
  const kept = { url: status?.url, address: status?.address };
  return settled(kept, mark('ConfigurationsReady'), mark('RoutesReady'));
}

/** The annotation of the routes that lead there is not the Service's: it is kept, and its own Route is known to be one. */
function configurationOf(service: Service, before: Configuration | undefined): Configuration {
  const { name } = service.metadata;
  const routes = new Set([...(before === undefined ? [] : routesOf(before)), name]);
  const { labels = {}, annotations = {}, ...metadata } = childOf(service);
  return {
    ...KINDS.configuration,
    metadata: {
      ...metadata,
      labels: { ...labels, [LABELS.serviceUid]: service.metadata.uid ?? '' },
      annotations: { ...annotations, [ANNOTATIONS.routes]: [...routes].toSorted().join(',') },
    },
    spec: { ...(service.spec.template !== undefined && { template: service.spec.template }) },
  };
}

function routeOf(service: Service): Route {
  const { name: configurationName } = service.metadata;
  const traffic = (service.spec.traffic ?? []).map((target) =>
    target.revisionName ? target : { ...target, configurationName },
  );
  return { ...KINDS.route, metadata: childOf(service), spec: { traffic } };
}

/** What a Service hands on to both: its labels and annotations, but not what kubectl and we keep there. */
function childOf({ apiVersion, kind, metadata }: Service): Resource['metadata'] {
  const { name, namespace, labels = {}, annotations = {} } = withoutWritten({ metadata }).metadata;
  const handed = Object.entries(annotations).filter(
    ([key]) => key !== ANNOTATIONS.lastApplied && !key.startsWith(OWN_NOTES),
  );
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    labels: { ...labels, [LABELS.service]: name },
    annotations: Object.fromEntries(handed),
    ownerReferences: [ownerOf({ apiVersion, kind, metadata })],
  };
}

function isObserved({ metadata, status }: Configuration | Route): boolean {
  return status?.observedGeneration === metadata.generation;
}

function propagated(type: string, what: string, object: Configuration | Route): Mark {
  if (!isObserved(object))
    return isUnknown(
      type,
      'OutOfDate',
      `The ${what} is still working to reflect the latest desired specification.`,
    );
  const ready = conditionOf(object.status, 'Ready');
  if (ready?.status === 'True') return isTrue(type);
  return ready?.status === 'False'
    ? isFalse(type, ready.reason ?? '', ready.message ?? '')
    : isUnknown(type, ready?.reason, ready?.message);
}

/** Traffic has to be where the Route's spec and the latest ready revision say before the Service is ready. */
function routeMark(route: Route, { metadata: { name }, status }: Configuration): Mark {
  const mark = propagated('RoutesReady', 'Route', route);
  if (mark.status !== 'True') return mark;
  const wanted = (route.spec.traffic ?? []).map((target) =>
    target.configurationName === name
      ? { ...target, revisionName: status?.latestReadyRevisionName ?? '' }
      : target,
  );
  return sharesOf(wanted) === sharesOf(route.status?.traffic ?? [])
    ? mark
    : isUnknown('RoutesReady', 'TrafficNotMigrated', 'Traffic is not yet migrated to the latest revision.');
}

/** The percentages by tag and revision, in an order of their own. */
function sharesOf(traffic: readonly TrafficTarget[]): string {
  const shares = new Map<string, number>();
  for (const { tag = '', revisionName = '', percent = 0 } of traffic) {
    const key = `${tag} ${revisionName}`;
    shares.set(key, (shares.get(key) ?? 0) + percent);
  }
  return JSON.stringify([...shares].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Told in an Event as well, when it is new. */
function notOwned(service: Service, type: string, kind: string, ...marks: Mark[]): Outcome {
  const { name } = service.metadata;
  const existing = `There is an existing ${kind} "${name}" that we do not own. Delete it, or give the Service another name.`;
  const mark = isFalse(type, 'NotOwned', existing);
  const message = `service: "${name}" does not own ${kind.toLowerCase()}: "${name}"`;
  const isKnown = conditionOf(service.status, type)?.message === mark.message;
  const events: Told[] = isKnown ? [] : [{ type: 'Warning', reason: 'InternalError', message }];
  return { ...settled({}, ...marks, mark), next: WHILE_BLOCKED, events };
}

function nameTaken(name: string): Mark {
  const message = `The revision name "${name}" is taken by a conflicting Revision, so traffic will not be migrated`;
  return isFalse('RoutesReady', 'RevisionNameTaken', message);
}

const created = (kind: string, name: string): Told => ({
  type: 'Normal',
  reason: 'Created',
  message: `Created ${kind} "${name}"`,
});
