import { messageOf, PlatformError } from '../../base/errors.ts';

/** Kafka's own name of an error (`NOT_LEADER_FOR_PARTITION`), or undefined: then no broker has answered. */
export function kafkaCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('type' in error && typeof error.type === 'string') return error.type;
  if ('errors' in error && Array.isArray(error.errors)) return kafkaCode(error.errors[0]);
  if ('partitions' in error && Array.isArray(error.partitions)) return kafkaCode(error.partitions[0]?.error);
  return 'cause' in error ? kafkaCode(error.cause) : undefined;
}

/** What passes by itself once metadata or a coordinator is asked for anew. Nothing was done. */
const MOVED: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_CONTROLLER',
  'UNSTABLE_OFFSET_COMMIT',
  'CONCURRENT_TRANSACTIONS',
  'INVALID_TXN_STATE',
]);

export function isMoved(error: unknown): boolean {
  const code = kafkaCode(error);
  return code !== undefined && MOVED.has(code);
}

/** What no patience mends: who is asked says no. */
const REFUSED: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'GROUP_MAX_SIZE_REACHED',
  'OFFSET_METADATA_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
]);

export function isRefused(error: unknown): boolean {
  const code = kafkaCode(error);
  return code !== undefined && REFUSED.has(code);
}

/** In the broker's words: its error's name, and what it says. */
export function wordsOf(error: unknown): string {
  const code = kafkaCode(error);
  return code === undefined ? messageOf(error) : `${code}: ${messageOf(error)}`;
}

/** What was tried on what, and what the broker said: no answer is BACKEND_UNREACHABLE. */
export function refused(tried: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = kafkaCode(error) === undefined ? 'BACKEND_UNREACHABLE' : 'BACKEND_REFUSED';
  return new PlatformError(code, `${tried}: ${wordsOf(error)}`, { retryable: true, cause: error });
}

export function lost(reason: string, cause?: unknown): PlatformError {
  return new PlatformError('CHANNEL_LOST', reason, { retryable: true, cause });
}
