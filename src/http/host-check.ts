import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerUnread } from './respond.ts';

export type HostFault = { readonly code: 403 | 421; readonly reason: string };
type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/** The names by which this machine is its own. */
export const LOOPBACK_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Guards a listener that browsers can reach on this machine: a page from elsewhere must not read or change it, neither
 * by a name that was rebound to loopback nor by a cross-origin request. Returns why a request is refused, or undefined.
 */
export function hostFault(
  { headers, method }: IncomingMessage,
  allowed: ReadonlySet<string>,
): HostFault | undefined {
  const host = hostNameOf(headers.host ?? '');
  if (!allowed.has(host)) return { code: 421, reason: `Host ${JSON.stringify(host)} is not served here` };
  const { origin } = headers;
  if (origin !== undefined) {
    const originHost = URL.canParse(origin) ? hostNameOf(new URL(origin).host) : origin;
    if (!allowed.has(originHost))
      return { code: 403, reason: `Origin ${JSON.stringify(origin)} may not ask here` };
  }
  // A link on another site may lead here; anything else that its pages ask for may not.
  const isCross = headers['sec-fetch-site'] === 'cross-site';
  if (isCross && !(method === 'GET' && headers['sec-fetch-mode'] === 'navigate'))
    return { code: 403, reason: 'pages of another site may not ask here' };
  return undefined;
}

/** Lets only those requests through that hostFault() has nothing against. */
export function guardHost(allowed: ReadonlySet<string>, onRequest: OnRequest): OnRequest {
  return (request, response) => {
    const fault = hostFault(request, allowed);
    if (fault === undefined) return onRequest(request, response);
    answerUnread(request, response, fault.code, fault.reason);
  };
}

/** A Host header's name: lower case, without port and trailing dot (contract: Listeners). */
export function hostNameOf(host: string): string {
  const withoutPort = host.replace(/:\d+$/, '');
  const name = withoutPort.endsWith('.') ? withoutPort.slice(0, -1) : withoutPort;
  return name.toLowerCase();
}
