import type { Ingress, IngressPath, IngressRule } from '../../apis/networking/ingress/types.ts';
import { keyOf } from '../../apis/resource.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { hostNameOf } from '../../http/host-check.ts';
import { publicHostOf, type RoutePlan, type Targets } from '../plan.ts';

type Taken = Pick<RoutePlan, 'targets' | 'addedHeaders'>;

/**
 * What the gateway routes by, from an Ingress: a plan for each of its rules. A rule whose paths are told apart by their
 * path, or by several headers, is not one that a Route makes; those paths are left out.
 */
export function planRoutes(ingress: Ingress, domain: string): readonly RoutePlan[] {
  return (ingress.spec.rules ?? []).flatMap((rule, i) => {
    const paths = rule.http.paths.filter(
      ({ path, headers = {} }) => !path && Object.keys(headers).length < 2,
    );
    const own = paths.find(({ headers }) => headers === undefined);
    const byHeader = paths.flatMap(headerPlans);
    return [
      {
        key: `${keyOf(ingress)}#${i}`,
        ...hostsOf(ingress, rule, domain),
        ...(own === undefined ? { targets: [] } : takenBy(own)),
        ...(byHeader.length > 0 && { byHeader }),
      },
    ];
  });
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

function takenBy({ splits, appendHeaders }: IngressPath): Taken {
  const targets: Targets = splits.map(({ serviceNamespace, serviceName, percent = 100 }) => ({
    revision: `${serviceNamespace}/${serviceName}`,
    percent,
  }));
  return {
    targets,
    ...(appendHeaders !== undefined && { addedHeaders: Object.entries(appendHeaders).flat() }),
  };
}
