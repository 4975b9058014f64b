import type { Addressable } from '../../duck.ts';
import type { Revision, TrafficTarget } from '../../serving/types.ts';
import { trafficNow } from './convert.ts';
import type { TrafficTargetThen } from './types.ts';

type RouteStatus = {
  readonly url?: string;
  readonly address?: Addressable;
  readonly traffic?: readonly TrafficTarget[];
};

/** The host of a URL without its port, as `status.domain` of 2018 has it. */
function hostOf(url: string | undefined): string | undefined {
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).hostname;
}

/** The status of a Service or Route, with the domains of 2018; nothing is added while there is no URL. */
export function withDomains(status: object): object {
  const { url, address } = status as RouteStatus;
  const [domain, domainInternal] = [hostOf(url), hostOf(address?.url)];
  return {
    ...status,
    ...(domain !== undefined && { domain }),
    ...(domainInternal !== undefined && { domainInternal }),
  };
}

export function withoutDomains(status: object): object {
  const { domain: _domain, domainInternal: _internal, ...rest } = status as Record<string, unknown>;
  return rest;
}

/** serving v0.12, route_conversion.go, downwards; and what v0.2 had beside it. */
export function routeStatusThen(status: object): object {
  const { traffic, address } = status as RouteStatus;
  const hostname = hostOf(address?.url);
  return {
    ...withDomains(status),
    ...(address !== undefined && { address: { ...address, ...(hostname !== undefined && { hostname }) } }),
    ...(traffic !== undefined && { traffic: traffic.map((target) => ({ ...target, ...named(target) })) }),
  };
}

/** Clients of 2018 look for the name, those of v0.6 for the tag. */
function named({ tag }: TrafficTarget): { readonly name?: string } {
  return tag === undefined ? {} : { name: tag };
}

export function routeStatusNow(status: object): object {
  const { traffic, address, ...rest } = withoutDomains(status) as RouteStatus;
  const { hostname: _hostname, ...kept } = Object(address) as Record<string, unknown>;
  return {
    ...rest,
    ...(address !== undefined && { address: kept }),
    ...(traffic !== undefined && { traffic: trafficNow(traffic as readonly TrafficTargetThen[]) }),
  };
}

/** serving v0.2.0: the Service of a revision is `<revision>-service`, and it has one image. */
export function revisionStatusThen({ metadata, status }: Revision): object {
  const imageDigest = status?.containerStatuses?.[0]?.imageDigest;
  return {
    ...status,
    serviceName: `${metadata.name}-service`,
    ...(imageDigest !== undefined && { imageDigest }),
  };
}

export function revisionStatusNow(status: object): object {
  const { serviceName: _name, imageDigest: _digest, ...rest } = status as Record<string, unknown>;
  return rest;
}
