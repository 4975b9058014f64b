import type { DomainMapping } from '../../../apis/serving/domain-mapping/types.ts';
import type { PathTarget } from '../../../apis/serving/domain-mapping/reach.ts';
import { KINDS } from '../../../apis/serving/types.ts';
import { resolveDestination } from '../../../control/destination-resolver.ts';
import type { ResourceReader } from '../../../control/resource-client.ts';

const SUFFIX = '.svc.cluster.local';
const KUBERNETES_SERVICE = { apiVersion: 'v1', kind: 'Service' };

/** Who a domain leads to: a name inside the cluster, of the mapping's own namespace. */
export type Target =
  | { readonly kind: 'found'; readonly service: string; readonly host: string }
  | { readonly kind: 'missing'; readonly message: string };

/** serving pkg/reconciler/domainmapping, resolveRef. */
export async function findTarget(
  reader: ResourceReader,
  { spec: { ref }, metadata: { namespace = '' } }: DomainMapping,
): Promise<Target> {
  const resolved = await resolveDestination(reader, { ref }, namespace);
  if (resolved.kind === 'missing') return resolved;
  const { url } = resolved;
  const { pathname, hostname } = new URL(url);
  if (pathname !== '/') return missing(`resolved URI "${url}" contains a path`);
  const [service = '', space = '', ...more] = hostname.endsWith(SUFFIX)
    ? hostname.slice(0, -SUFFIX.length).split('.')
    : [];
  if (space === '' || more.length > 0)
    return missing(`resolved URI "${url}" must be of the form {name}.{namespace}${SUFFIX}`);
  if (space !== namespace) return missing(`resolved URI "${url}" must be in same namespace as DomainMapping`);
  return { kind: 'found', service, host: hostname };
}

/** A Service of whichever kind: that of Kubernetes stands for a Route, too. */
export async function findPathTarget(
  reader: ResourceReader,
  { prefix, service }: PathTarget,
  namespace: string,
): Promise<Target> {
  const known =
    (await reader.find(KUBERNETES_SERVICE, namespace, service)) ??
    (await reader.find(KINDS.service, namespace, service));
  if (known === undefined) return missing(`path ${prefix}: Service ${namespace}/${service} is not found`);
  return { kind: 'found', service, host: `${service}.${namespace}${SUFFIX}` };
}

function missing(message: string): Target {
  return { kind: 'missing', message };
}
