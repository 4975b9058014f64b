import type { HostRoute } from './runner-protocol.ts';

const INSIDE = '.svc.cluster.local';

/**
 * The same URL by an address that every program can reach, when it names a service of this platform: the door for it on the
 * internal listener (gateway/service-door.ts). Any other URL as it is.
 */
export function nativeUrl(url: string, routes: readonly HostRoute[]): string {
  const inside = routes.find(({ suffix }) => suffix === INSIDE);
  if (inside === undefined || !URL.canParse(url)) return url;
  const { protocol, hostname, port, pathname, search } = new URL(url);
  const route = routes.find(
    ({ suffix, ports }) =>
      hostname.endsWith(suffix) && (ports === undefined || ports.includes(Number(port || 80))),
  );
  const [name, namespace, ...more] = hostname.slice(0, -(route?.suffix.length ?? hostname.length)).split('.');
  if (protocol !== 'http:' || !name || !namespace || more.length > 0) return url;
  return `http://${inside.host}:${inside.port}/services/${namespace}/${name}${pathname}${search}`;
}
