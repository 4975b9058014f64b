import { conditionOf, isFalse, isReady, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import { ROUTE_CONDITIONS } from '../../apis/serving/route/status.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import {
  KINDS,
  type Configuration,
  type Revision,
  type Route,
  type TrafficTarget,
} from '../../apis/serving/types.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { taggedName } from '../plan.ts';

export type RouteSettings = {
  /** The public URL of a service by its host-name part: scheme, domain and port are the platform's. */
  readonly urlOf: (namespace: string, name: string) => string;
};

type Assigned =
  | { readonly kind: 'assigned'; readonly target: TrafficTarget }
  | { readonly kind: 'missing'; readonly mark: Mark };

/** Resolves who gets which share; the last good traffic stays while something of it is missing (serving pkg/reconciler/route). */
export function routeReconciler(cluster: ResourceClient, { urlOf }: RouteSettings): Reconciler<Route> {
  return {
    kind: KINDS.route,
    conditions: ROUTE_CONDITIONS,
    async reconcile(route) {
      const { namespace = '', name, labels = {} } = route.metadata;
      const isLocal = labels[LABELS.visibility] === 'cluster-local';
      const local = (part: string): string => `http://${part}.${namespace}.svc.cluster.local`;
      const publicUrl = (part: string): string => (isLocal ? local(part) : urlOf(namespace, part));
      const address = { url: local(name) };
      const certificate = isTrue('CertificateProvisioned', 'TLSNotEnabled', 'autoTLS is not enabled');
      const assigned: TrafficTarget[] = [];
      for (const target of route.spec.traffic ?? []) {
        const found = await assign(cluster, namespace, target);
        if (found.kind === 'missing') {
          const before = route.status?.traffic;
          return settled(
            { url: publicUrl(name), address, ...(before !== undefined && { traffic: before }) },
            found.mark,
            isUnknown('IngressReady', found.mark.reason, found.mark.message),
            certificate,
          );
        }
        const { tag } = found.target;
        assigned.push(tag ? { ...found.target, url: publicUrl(taggedName(name, tag)) } : found.target);
      }
      const status = { url: publicUrl(name), address, traffic: assigned };
      return settled(status, isTrue('AllTrafficAssigned'), isTrue('IngressReady'), certificate);
    },
  };
}

async function assign(cluster: ResourceClient, namespace: string, target: TrafficTarget): Promise<Assigned> {
  const { configurationName, revisionName, percent, tag } = target;
  const kept = { ...(percent !== undefined && { percent }), ...(tag !== undefined && { tag }) };
  if (revisionName) {
    const revision = await cluster.find<Revision>(KINDS.revision, namespace, revisionName);
    if (revision === undefined)
      return missing('RevisionMissing', `Revision "${revisionName}" referenced in traffic not found.`);
    return isReady(revision)
      ? { kind: 'assigned', target: { ...kept, latestRevision: false, revisionName } }
      : notReady('Revision', revisionName, conditionOf(revision.status, 'Ready'));
  }
  const name = configurationName ?? '';
  const configuration = await cluster.find<Configuration>(KINDS.configuration, namespace, name);
  if (configuration === undefined)
    return missing('ConfigurationMissing', `Configuration "${name}" referenced in traffic not found.`);
  const latest = configuration.status?.latestReadyRevisionName;
  if (latest !== undefined)
    return { kind: 'assigned', target: { ...kept, latestRevision: true, revisionName: latest } };
  const ready = conditionOf(configuration.status, 'Ready');
  if (ready?.status === 'False')
    return missing('RevisionMissing', `Configuration "${name}" does not have any ready Revision.`);
  const message = `Configuration "${name}" is waiting for a Revision to become ready.`;
  return { kind: 'missing', mark: isUnknown('AllTrafficAssigned', 'RevisionMissing', message) };
}

function notReady(kind: string, name: string, ready: { status: string } | undefined): Assigned {
  if (ready?.status === 'False')
    return missing('RevisionFailed', `${kind} "${name}" failed to become ready.`);
  return {
    kind: 'missing',
    mark: isUnknown('AllTrafficAssigned', 'RevisionMissing', `${kind} "${name}" is not yet ready.`),
  };
}

function missing(reason: string, message: string): Assigned {
  return { kind: 'missing', mark: isFalse('AllTrafficAssigned', reason, message) };
}
