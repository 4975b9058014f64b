import type { Ingress, IngressPath, IngressRule } from '../../apis/networking/ingress/types.ts';
import { keyOf } from '../../apis/resource.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { hostNameOf } from '../../http/host-check.ts';
import { publicHostOf, type RoutePlan, type Targets, type Way } from '../plan.ts';

type Taken = Pick<Way, 'targets' | 'addedHeaders' | 'to'>;

/**
 * What the gateway routes by, from an Ingress: a plan for each of its rules. Of one path those that ask for a header come
 * first; a path that asks for several headers is not one that a Route makes, and is left out.
 */
export function planRoutes(ingress: Ingress, domain: string): readonly RoutePlan[] {
  const { creationTimestamp: since } = ingress.metadata;
  const isRedirected = ingress.spec.httpOption === 'Redirected';
  return (ingress.spec.rules ?? []).map((rule, i) => {
    const paths = rule.http.paths.filter(({ headers = {} }) => Object.keys(headers).length < 2);
    const prefixes = new Set(paths.map(({ path = '' }) => path).filter((path) => path !== ''));
    const byPath = [...prefixes]
      .toSorted((a, b) => b.length - a.length)
      .map((prefix) => ({ prefix, ...wayOf(paths.filter(({ path }) => path === prefix)) }));
    return {
      key: `${keyOf(ingress)}#${i}`,
      ...(since !== undefined && { since }),
      ...hostsOf(ingress, rule, domain),
      ...wayOf(paths.filter(({ path }) => !path)),
      ...(byPath.length > 0 && { byPath }),
      ...(isRedirected && rule.visibility !== 'ClusterLocal' && { isSecureOnly: true }),
    };
  });
}

function wayOf(paths: readonly IngressPath[]): Way {
  const own = paths.find(({ headers }) => headers === undefined);
  const byHeader = paths.flatMap(headerPlans);
  return {
    ...(own === undefined ? { targets: [] } : takenBy(own)),
    ...(byHeader.length > 0 && { byHeader }),
  };
}

/** One that is seen inside alone answers there by its public name, too (contract: Listeners). */
function hostsOf(
  { metadata: { namespace = '', labels = {} } }: Ingress,
  { hosts, visibility = 'ExternalIP' }: IngressRule,
  domain: string,
): Pick<RoutePlan, 'publicHosts' | 'localHosts'> {
  const names = hosts.map(hostNameOf);
  if (visibility === 'ExternalIP') return { publicHosts: names, localHosts: [] };
  const isHidden = labels[LABELS.visibility] === 'cluster-local';
  const part = names[0]?.split('.')[0] ?? '';
  const outside = isHidden ? [publicHostOf(namespace, part, domain)] : [];
  return { publicHosts: [], localHosts: [...names, ...outside] };
}

function headerPlans(path: IngressPath): NonNullable<RoutePlan['byHeader']> {
  return Object.entries(path.headers ?? {}).map(([name, { exact }]) => ({
    header: name.toLowerCase(),
    value: exact,
    ...takenBy(path),
  }));
}

/** Under another name inside: the route of that name decides. The client's own name is kept, as upstream restores it. */
function takenBy({ splits, appendHeaders, rewriteHost }: IngressPath): Taken {
  if (rewriteHost !== undefined) return { targets: [], to: rewriteHost };
  const targets: Targets = splits.map(({ serviceNamespace, serviceName, percent = 100 }) => ({
    revision: `${serviceNamespace}/${serviceName}`,
    percent,
  }));
  return {
    targets,
    ...(appendHeaders !== undefined && { addedHeaders: Object.entries(appendHeaders).flat() }),
  };
}
