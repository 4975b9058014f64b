import { messageOf, PlatformError } from '../../base/errors.ts';

/** Status codes of gRPC, as far as something follows from them. */
export const CANCELLED = 1;
export const INVALID_ARGUMENT = 3;
export const DEADLINE_EXCEEDED = 4;
export const NOT_FOUND = 5;
export const ALREADY_EXISTS = 6;
export const RESOURCE_EXHAUSTED = 8;
export const ABORTED = 10;
export const INTERNAL = 13;
export const UNAVAILABLE = 14;
export const UNAUTHENTICATED = 16;

/** The gRPC status of what a call rejected with; undefined for anything else. */
export function statusOf(error: unknown): number | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** The broker's own words. */
export function wordsOf(error: unknown): string {
  const details: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'details') : undefined;
  return typeof details === 'string' && details !== '' ? details : messageOf(error);
}

/** Whether the broker was not reached, or did not answer: the call may or may not have been taken. */
export function isUnreached(error: unknown): boolean {
  const status = statusOf(error);
  return status === UNAVAILABLE || status === DEADLINE_EXCEEDED || status === CANCELLED;
}

/** What a call that makes or looks up something rejects with. */
export function backendFault(doing: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = isUnreached(error) ? 'BACKEND_UNREACHABLE' : 'BACKEND_REFUSED';
  return new PlatformError(code, `${doing}: ${wordsOf(error)}`, { retryable: true, cause: error });
}

export function lostFault(doing: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('CHANNEL_LOST', `${doing}: ${wordsOf(error)}`, { retryable: true, cause: error });
}
