import type { IncomingHttpHeaders } from 'node:http';
import type { AddedHeaders, RoutePlan, Targets, Way } from '../plan.ts';

/** Who takes a request, and what it is given on its way. */
export type Taker = { readonly revision: string; readonly addedHeaders: AddedHeaders | undefined };

/** What a route decides by. */
export type Asked = {
  readonly host: string; // as it was written
  readonly target: string; // a path and its query
  readonly headers: IncomingHttpHeaders;
};

/** Nobody answers under a name that a route hands on to. */
export type Unanswered = { readonly unanswered: string };

/** Draws who takes a request, anew for each. Where a route hands on to a name inside, the route of that name decides. */
export function drawTaker(
  route: RoutePlan,
  asked: Asked,
  localRouteFor: (host: string) => RoutePlan | undefined,
  random: () => number,
): Taker | Unanswered {
  const way = wayOf(route, asked.target);
  if (way.to === undefined) return takerOf(route, way, asked, random);
  const next = localRouteFor(way.to);
  if (next === undefined) return { unanswered: way.to };
  return takerOf(next, next, { ...asked, host: way.to }, random);
}

function takerOf(route: RoutePlan, way: Way, { host, headers }: Asked, random: () => number): Taker {
  const byPort = route.byPort?.get(portIn(host));
  if (byPort !== undefined) return { revision: chooseTarget(byPort, random), addedHeaders: undefined };
  const byHeader = way.byHeader?.find(({ header, value }) => headers[header] === value);
  const { targets, addedHeaders } = byHeader ?? way;
  return { revision: chooseTarget(targets, random), addedHeaders };
}

/** The longest path that a request's begins with, whole segments of it, as they were written. */
export function wayOf(route: RoutePlan, target: string): Way {
  if (route.byPath === undefined) return route;
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  return route.byPath.find(({ prefix }) => isBelow(path, prefix)) ?? route;
}

function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith('/') || path[prefix.length] === '/';
}

/** As the client wrote it; 0: it wrote none, which may mean any. */
function portIn(host: string): number {
  return Number(/:(\d+)$/.exec(host)?.[1] ?? 0);
}

/** Weights count for each request by itself; they are not sticky (serving API specification). */
function chooseTarget(targets: Targets, random: () => number): string {
  const only = targets.length === 1 ? targets[0] : undefined;
  if (only !== undefined) return only.revision;
  let left = random() * 100;
  for (const { revision, percent } of targets) {
    left -= percent;
    if (left < 0) return revision;
  }
  return targets.at(-1)?.revision ?? '';
}
