import type { IncomingMessage } from 'node:http';
import type { Hook } from './load.ts';

const METHODS = 'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH';

/** `cors()` names the origins that may ask, as for faas-js-runtime; without it no such header is sent. */
export function corsHeaders(
  cors: Hook | undefined,
  { method, headers: { origin } }: IncomingMessage,
): Record<string, string> {
  if (cors === undefined) return {};
  const named: unknown = cors();
  const allowed: readonly unknown[] = Array.isArray(named) ? named : [named];
  const isAllowed = origin !== undefined && (allowed.includes(origin) || allowed.includes('*'));
  if (!isAllowed) return { vary: 'origin' };
  return {
    vary: 'origin',
    'access-control-allow-origin': origin,
    'access-control-allow-methods': METHODS,
    ...(method === 'OPTIONS' && { 'access-control-allow-headers': '*' }),
  };
}
