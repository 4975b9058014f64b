import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Resource } from '../../apis/resource.ts';
import { bound, unbound, variablesOf } from '../../apis/sources/sink-binding/bind.ts';
import { SINK_BINDING, type SinkBinding } from '../../apis/sources/sink-binding/schema.ts';
import { SINK_BINDING_CONDITIONS } from '../../apis/sources/sink-binding/status.ts';
import {
  bindingOf,
  EXCLUDE,
  INCLUDE,
  isBindable,
  isExcluded,
  isSubjectOf,
} from '../../apis/sources/sink-binding/subject.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import { isUnknownKind, type ResourceClient } from '../../control/resource-client.ts';

const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace' };
const RESOURCES: Readonly<Record<string, string>> = {
  Service: 'services.serving.knative.dev',
  Configuration: 'configurations.serving.knative.dev',
  Deployment: 'deployments.apps',
};
/** As upstream says them while its features for OIDC and for trust bundles are off. */
const NOT_ENABLED = [
  isTrue('OIDCIdentityCreated', 'authentication-oidc feature disabled'),
  isTrue('OIDCTokenSecretCreated', 'authentication-oidc feature disabled'),
  isTrue('TrustBundlePropagated'),
];

/**
 * Resolves the sink, and has its subjects carry it (knative pkg/webhook/psbinding). The sink stands in the status before
 * any subject is touched, because from then on each write of a subject gets it by admission (bind.ts).
 */
export function sinkBindingReconciler(cluster: ResourceClient): Reconciler<SinkBinding> {
  return {
    kind: SINK_BINDING,
    conditions: SINK_BINDING_CONDITIONS,
    finalizer: 'sinkbindings.sources.knative.dev',
    async reconcile(binding) {
      const { namespace = '' } = binding.metadata;
      const resolved = await resolveDestination(cluster, binding.spec.sink ?? {}, namespace);
      if (resolved.kind === 'missing') {
        const why = `Addressable could not be extracted from destination: ${resolved.message}`;
        const unavailable = isFalse('SinkBindingAvailable', 'NoAddressable', why);
        const noSink = isFalse('SinkProvided', 'NotFound', resolved.message);
        return settled({ sinkUri: undefined }, unavailable, noSink, ...NOT_ENABLED);
      }
      const isStated = binding.status?.sinkUri === resolved.url;
      const available = isStated
        ? await bindSubjects(cluster, binding, resolved.url)
        : isUnknown('SinkBindingAvailable');
      return settled({ sinkUri: resolved.url }, available, isTrue('SinkProvided'), ...NOT_ENABLED);
    },
    async finalize(binding) {
      const { ownerReferences = [] } = binding.metadata;
      if (ownerReferences.some(({ kind }) => kind === 'ContainerSource')) return []; // its Deployment goes as well
      for (const subject of await subjectsOf(cluster, binding))
        if (isBindable(subject) && subject.metadata.deletionTimestamp === undefined)
          await cluster.apply(unbound(subject));
      return [];
    },
  };
}

async function bindSubjects(cluster: ResourceClient, binding: SinkBinding, sinkUri: string): Promise<Mark> {
  const { namespace = '' } = binding.metadata;
  const { kind = '', name = '' } = binding.spec.subject ?? {};
  const subjects = await subjectsOf(cluster, binding);
  if (name !== '' && subjects.length === 0) {
    const message = `${RESOURCES[kind] ?? kind} ${JSON.stringify(name)} not found`;
    return isFalse('SinkBindingAvailable', 'SubjectMissing', message);
  }
  const space = await optIn(cluster, namespace);
  const { items: bindings } = await cluster.list<SinkBinding>(SINK_BINDING, namespace);
  const faults: Mark[] = [];
  for (const subject of subjects) {
    const fault =
      faultOf(subject, binding, bindings, space) ??
      (isExcluded(subject, space) ? undefined : await bind(cluster, subject, binding, sinkUri));
    if (fault !== undefined) faults.push(fault);
  }
  return faults[0] ?? isTrue('SinkBindingAvailable');
}

/** Why a subject is not bound by this binding; undefined when it is. */
function faultOf(
  subject: Resource,
  binding: SinkBinding,
  bindings: readonly SinkBinding[],
  space: Resource | undefined,
): Mark | undefined {
  const what = `${subject.kind} ${subject.metadata.name}`;
  const fault = (reason: string, why: string): Mark =>
    isFalse('SinkBindingAvailable', reason, `${what} ${why}`);
  if (!isBindable(subject)) return fault('SubjectUnavailable', 'only shows what runs: bind its Service');
  const isByName = (binding.spec.subject?.name ?? '') !== '';
  if (isByName && isExcluded(subject, space))
    return fault('SubjectExcluded', `or its namespace has the label ${EXCLUDE}: "true"`);
  const other = bindingOf(subject, bindings);
  return other === undefined || other.metadata.uid === binding.metadata.uid
    ? undefined
    : fault('BindingFailed', `is bound by SinkBinding ${other.metadata.name} already`);
}

async function bind(
  cluster: ResourceClient,
  subject: Resource,
  binding: SinkBinding,
  sinkUri: string,
): Promise<Mark | undefined> {
  try {
    await cluster.apply(bound(subject, variablesOf(binding, sinkUri)));
    return undefined;
  } catch (error) {
    if (!(error instanceof PlatformError) || error.retryable) throw error;
    const message = `failed binding subject ${subject.metadata.name}: ${messageOf(error)}`;
    return isFalse('SinkBindingAvailable', 'BindingFailed', message);
  }
}

async function subjectsOf(cluster: ResourceClient, binding: SinkBinding): Promise<readonly Resource[]> {
  const { namespace } = binding.metadata;
  const { apiVersion = '', kind = '', name = '' } = binding.spec.subject ?? {};
  try {
    if (name !== '') {
      const found = await cluster.find({ apiVersion, kind }, namespace, name);
      return found === undefined ? [] : [found];
    }
    const { items } = await cluster.list({ apiVersion, kind }, namespace);
    return items.filter((object) => isBindable(object) && isSubjectOf(binding, object));
  } catch (error) {
    if (isUnknownKind(error)) return [];
    throw error;
  }
}

/** Upstream opts a namespace in when something in it is bound, unless it has said what it wants. */
async function optIn(cluster: ResourceClient, name: string): Promise<Resource | undefined> {
  const space = await cluster.find(NAMESPACE, undefined, name);
  const { labels = {} } = space?.metadata ?? {};
  if (space === undefined || labels[INCLUDE] || labels[EXCLUDE]) return space;
  return cluster.apply({
    ...space,
    metadata: { ...space.metadata, labels: { ...labels, [INCLUDE]: 'true' } },
  });
}
