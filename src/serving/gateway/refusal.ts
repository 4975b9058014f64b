import { messageOf, PlatformError } from '../../base/errors.ts';
import type { RevisionPool } from '../activator/revision-pool.ts';

/** An answer of the gateway's own. */
export type Refusal = {
  readonly code: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Why a revision does not answer: what it speaks, or what kept it from giving a place. */
export function refusalOf(pool: RevisionPool | undefined, error?: unknown): Refusal | undefined {
  if (error !== undefined) return failed(error, pool);
  if (pool?.plan.protocol !== 'h2c') return undefined;
  return {
    code: 501,
    text: `revision ${pool.plan.key} asks for h2c, which this gateway does not speak yet: rename its port to http1`,
  };
}

function failed(error: unknown, pool: RevisionPool | undefined): Refusal {
  if (!(error instanceof PlatformError)) throw error; // not one of those that acquire() rejects with
  if (error.code === 'REVISION_GONE') return { code: 404, text: error.message };
  const seconds = String(pool?.retryAfterS ?? 1);
  return { code: 503, text: messageOf(error), headers: { 'retry-after': seconds } };
}
