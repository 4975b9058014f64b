import type { IncomingMessage } from 'node:http';

/**
 * Guards a listener that browsers can reach on this machine: a page from elsewhere must not read or change it, neither
 * by a name that was rebound to loopback nor by a cross-origin request. Returns why a request is refused, or undefined.
 */
export function hostFault(request: IncomingMessage, allowed: ReadonlySet<string>): string | undefined {
  const host = hostNameOf(request.headers.host ?? '');
  if (!allowed.has(host)) return `Host ${JSON.stringify(host)} is not served here`;
  const { origin } = request.headers;
  if (origin === undefined) return undefined;
  const originHost = URL.canParse(origin) ? hostNameOf(new URL(origin).host) : origin;
  return allowed.has(originHost) ? undefined : `Origin ${JSON.stringify(origin)} may not ask here`;
}

/** The names by which this machine is its own. */
export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** A Host header's name: lower case, without port and trailing dot (contract: Listeners). */
export function hostNameOf(host: string): string {
  const withoutPort = host.replace(/:\d+$/, '');
  const name = withoutPort.endsWith('.') ? withoutPort.slice(0, -1) : withoutPort;
  return name.toLowerCase();
}
