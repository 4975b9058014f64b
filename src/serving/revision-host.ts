import type { RoutePlan } from './plan.ts';

/** `NAME.NAMESPACE`, alone or with what names inside the cluster end with; of its instances alone, with `-private`. */
const NAME_INSIDE = /^([a-z0-9-]+?)(?:-private)?\.([a-z0-9-]+)(?:\.svc(?:\.cluster\.local)?)?$/;

/** The revision that a name inside may mean, as namespace/name (serving pkg/activator/handler/context_handler.go). */
export function revisionOfHost(host: string): string | undefined {
  const [, name, namespace] = NAME_INSIDE.exec(host) ?? [];
  return name === undefined || namespace === undefined ? undefined : `${namespace}/${name}`;
}

/** All that comes by a revision's own name is its own. */
export function revisionRoute(key: string, host: string): RoutePlan {
  return {
    key: `Revision ${key}`,
    publicHosts: [],
    localHosts: [host],
    targets: [{ revision: key, percent: 100 }],
  };
}
