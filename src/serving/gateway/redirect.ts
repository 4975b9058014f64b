import type { IncomingHttpHeaders } from 'node:http';
import { hostNameOf } from '../../http/host-check.ts';
import type { Origin } from './origin.ts';
import type { Refusal } from './refusal.ts';

type Call = {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly origin: Origin;
};

/** Sends on to https what came without (config-network: `http-protocol: Redirected`); undefined: it came by it. */
export function redirectTo(
  { method, host, target, headers, origin }: Call,
  secureUrlOf: (host: string) => string | undefined,
): Refusal | undefined {
  if (schemeOf(origin, headers) === 'https') return undefined;
  const url = secureUrlOf(hostNameOf(host));
  if (url === undefined) return undefined;
  const isRead = method === 'GET' || method === 'HEAD';
  const location = `${url}${target}`;
  return { code: isRead ? 301 : 308, text: `it is at ${location}`, headers: { location } }; // 308 keeps method and body
}

/** By which the client asked, as far as it is known: a proxy that is trusted may have taken TLS off. */
export function schemeOf({ isSecure, isTrusted }: Origin, headers: IncomingHttpHeaders): string {
  const said = isTrusted ? headers['x-forwarded-proto'] : undefined;
  return said === undefined ? (isSecure ? 'https' : 'http') : String(said);
}
