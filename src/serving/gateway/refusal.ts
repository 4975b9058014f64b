import { messageOf, PlatformError } from '../../base/errors.ts';
import type { GatewayPool } from './pool.ts';

/** An answer of the gateway's own. */
export type Refusal = {
  readonly code: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export const NONE_READY: Refusal = { code: 503, text: 'no revision of this service is ready' };

/** What kept a revision from giving a place. */
export function refusalOf(error: unknown, pool: GatewayPool): Refusal {
  if (!(error instanceof PlatformError)) throw error; // not one of those that acquire() rejects with
  if (isGone(error)) return { code: 404, text: error.message };
  const seconds = String(pool.retryAfterS);
  return { code: 503, text: messageOf(error), headers: { 'retry-after': seconds } };
}

export function isGone(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'REVISION_GONE';
}
