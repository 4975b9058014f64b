import type { Route, TrafficTarget } from '../types.ts';

/** serving pkg/apis/serving/v1/route_defaults.go. */
export function withTrafficDefaults(traffic: readonly TrafficTarget[]): TrafficTarget[] {
  return traffic.map((target) => ({
    ...target,
    percent: target.percent ?? 0,
    latestRevision: target.latestRevision ?? !target.revisionName,
  }));
}

export function setRouteDefaults(route: Route): Route {
  return { ...route, spec: { ...route.spec, traffic: withTrafficDefaults(route.spec?.traffic ?? []) } };
}
