import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { SERVICE_CONDITIONS } from '../../apis/serving/service/status.ts';
import { KINDS, type Configuration, type Route, type Service } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import { settled, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';

/** A Service is a Configuration and a Route of the same name (serving pkg/reconciler/service). */
export function serviceReconciler(cluster: ResourceClient): Reconciler<Service> {
  return {
    kind: KINDS.service,
    conditions: SERVICE_CONDITIONS,
    async reconcile(service) {
      const { namespace = '', name } = service.metadata;
      const [config, route] = await Promise.all([
        cluster.find<Configuration>(KINDS.configuration, namespace, name),
        cluster.find<Route>(KINDS.route, namespace, name),
      ]);
      const taken = [
        ...(config !== undefined && !isOwnedBy(config, service)
          ? [notOwned('ConfigurationsReady', 'Configuration', name)]
          : []),
        ...(route !== undefined && !isOwnedBy(route, service)
          ? [notOwned('RoutesReady', 'Route', name)]
          : []),
      ];
      if (taken.length > 0) return settled({}, ...taken);
      const configuration = await cluster.apply<Configuration>({
        ...KINDS.configuration,
        metadata: childOf(service),
        spec: { ...(service.spec.template !== undefined && { template: service.spec.template }) },
      });
      const traffic = (service.spec.traffic ?? []).map((target) =>
        target.revisionName ? target : { ...target, configurationName: name },
      );
      const routed = await cluster.apply<Route>({
        ...KINDS.route,
        metadata: childOf(service),
        spec: { traffic },
      });
      const { latestCreatedRevisionName, latestReadyRevisionName } = configuration.status ?? {};
      const status = {
        latestCreatedRevisionName,
        latestReadyRevisionName,
        url: routed.status?.url,
        address: routed.status?.address,
        traffic: routed.status?.traffic,
      };
      const made: Told[] = [
        ...(config === undefined ? [created('Configuration', name)] : []),
        ...(route === undefined ? [created('Route', name)] : []),
      ];
      const outcome = settled(
        status,
        propagated('ConfigurationsReady', 'Configuration', configuration),
        routeMark(routed, configuration, service),
      );
      return { ...outcome, events: made };
    },
  };
}

/** What a Service hands on to both: its labels and annotations, but not what kubectl keeps there. */
function childOf({ apiVersion, kind, metadata }: Service): Resource['metadata'] {
  const { name, namespace, labels = {}, annotations = {} } = metadata;
  const handed = Object.entries(annotations).filter(
    ([key]) => !key.startsWith('kubectl.kubernetes.io/') && !key.startsWith('serving.knative.dev/'),
  );
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    labels: { ...labels, [LABELS.service]: name, [LABELS.serviceUid]: metadata.uid ?? '' },
    annotations: Object.fromEntries(handed),
    ownerReferences: [ownerOf({ apiVersion, kind, metadata })],
  };
}

function propagated(
  type: string,
  what: string,
  object: Resource & { readonly status?: Configuration['status'] },
): Mark {
  const { status, metadata } = object;
  if (status?.observedGeneration !== metadata.generation)
    return isUnknown(
      type,
      'OutOfDate',
      `The ${what} is still working to reflect the latest desired specification.`,
    );
  const ready = conditionOf(status, 'Ready');
  if (ready?.status === 'True') return isTrue(type);
  return ready?.status === 'False'
    ? isFalse(type, ready.reason ?? '', ready.message ?? '')
    : isUnknown(type, ready?.reason, ready?.message);
}

/** Traffic has to have moved to the latest revision before the Service is ready for its new template. */
function routeMark(route: Route, configuration: Configuration, service: Service): Mark {
  const mark = propagated('RoutesReady', 'Route', route);
  if (mark.status !== 'True') return mark;
  const { latestReadyRevisionName: ready, latestCreatedRevisionName: latest } = configuration.status ?? {};
  const wantsLatest = (service.spec.traffic ?? []).some(
    ({ latestRevision, percent = 0 }) => latestRevision === true && percent > 0,
  );
  const hasIt = (route.status?.traffic ?? []).some(({ revisionName }) => revisionName === ready);
  if (wantsLatest && ready !== undefined && ready === latest && !hasIt)
    return isUnknown(
      'RoutesReady',
      'TrafficNotMigrated',
      'Traffic is not yet migrated to the latest revision.',
    );
  return mark;
}

function notOwned(type: string, kind: string, name: string): Mark {
  return isFalse(type, 'NotOwned', `There is an existing ${kind} "${name}" that we do not own.`);
}

const created = (kind: string, name: string): Told => ({
  type: 'Normal',
  reason: 'Created',
  message: `Created ${kind} "${name}"`,
});
