import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Status } from '../../apis/duck.ts';
import { childName } from '../../apis/names.ts';
import type { Resource } from '../../apis/resource.ts';
import { CONTAINER_SOURCE, type ContainerSource } from '../../apis/sources/container-source/schema.ts';
import { CONTAINER_SOURCE_CONDITIONS } from '../../apis/sources/container-source/status.ts';
import { SINK_BINDING, type SinkBinding } from '../../apis/sources/sink-binding/schema.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';

const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment' };

type Deployment = Resource & { readonly spec?: { readonly replicas?: number }; readonly status?: Status };

/**
 * A ContainerSource is a Deployment of its program and a SinkBinding that tells it the sink (eventing
 * pkg/reconciler/containersource). The Deployment is made once the sink is known, so that nothing starts without.
 */
export function containerSourceReconciler(cluster: ResourceClient): Reconciler<ContainerSource> {
  return {
    kind: CONTAINER_SOURCE,
    conditions: CONTAINER_SOURCE_CONDITIONS,
    async reconcile(source) {
      const { namespace = '', name } = source.metadata;
      const names = { binding: childName(name, '-sinkbinding'), deployment: childName(name, '-deployment') };
      const before = await cluster.find<SinkBinding>(SINK_BINDING, namespace, names.binding);
      const running = await cluster.find<Deployment>(DEPLOYMENT, namespace, names.deployment);
      const foreign = [
        ...foreignMark(before, source, 'SinkBindingReady', 'SinkBindingNotOwned'),
        ...foreignMark(running, source, 'ReceiveAdapterReady', 'DeploymentNotOwned'),
      ];
      if (foreign.length > 0) return settled({}, ...foreign);
      const binding = await cluster.apply<SinkBinding>(bindingOf(source, names));
      const sinkUri = binding.status?.sinkUri;
      const deployment =
        sinkUri === undefined
          ? running
          : await cluster.apply<Deployment>(deploymentOf(source, names.deployment, running));
      const bound = marked('SinkBindingReady', conditionOf(binding.status, 'Ready'));
      return settled({ sinkUri }, bound, adapterMark(deployment, names.deployment));
    },
  };
}

type Names = { readonly binding: string; readonly deployment: string };

function bindingOf(source: ContainerSource, { binding, deployment }: Names): SinkBinding {
  const { namespace } = source.metadata;
  const { sink, ceOverrides } = source.spec;
  const subject = { ...DEPLOYMENT, ...(namespace !== undefined && { namespace }), name: deployment };
  return {
    ...SINK_BINDING,
    metadata: childMetadata(source, binding),
    spec: { ...(sink && { sink }), ...(ceOverrides && { ceOverrides }), subject },
  };
}

/** What admission adds for the SinkBinding stays; so does a number of replicas that somebody chose. */
function deploymentOf(source: ContainerSource, name: string, before: Deployment | undefined): Deployment {
  const labels = {
    'sources.knative.dev/source': 'container-source-controller',
    'sources.knative.dev/containerSource': source.metadata.name,
  };
  const { metadata = {}, ...template } = source.spec.template ?? {};
  const spec = {
    replicas: before?.spec?.replicas ?? 1,
    selector: { matchLabels: labels },
    template: { ...template, metadata: { ...metadata, labels: { ...metadata.labels, ...labels } } },
  };
  return { ...DEPLOYMENT, metadata: { ...childMetadata(source, name), labels }, spec };
}

function childMetadata(source: ContainerSource, name: string): Resource['metadata'] {
  const { namespace } = source.metadata;
  return { name, ...(namespace !== undefined && { namespace }), ownerReferences: [ownerOf(source)] };
}

function adapterMark(deployment: Deployment | undefined, name: string): Mark {
  const unavailable = `The Deployment '${name}' is unavailable.`;
  const available = conditionOf(deployment?.status, 'Available');
  return available === undefined
    ? isUnknown('ReceiveAdapterReady', 'DeploymentUnavailable', unavailable)
    : marked('ReceiveAdapterReady', available);
}

/** The condition of a part, as one of the whole. */
function marked(type: string, of: ReturnType<typeof conditionOf>): Mark {
  if (of?.status === 'True') return isTrue(type);
  return { type, status: of?.status ?? 'Unknown', reason: of?.reason, message: of?.message };
}

function foreignMark(
  found: Resource | undefined,
  source: ContainerSource,
  type: string,
  reason: string,
): Mark[] {
  if (found === undefined || isOwnedBy(found, source)) return [];
  const { kind, metadata } = found;
  return [
    isFalse(type, reason, `${kind} ${JSON.stringify(metadata.name)} is not owned by this ContainerSource`),
  ];
}
