import { messageOf, PlatformError } from '../../base/errors.ts';
import { within as base } from '../../base/within.ts';

/** The promise's outcome, or a rejection once it has taken too long: a broker may stop answering without closing. */
export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const message = `RabbitMQ has not answered within ${ms} ms: ${what}`;
  return base(ms, promise, () => new PlatformError('BACKEND_UNREACHABLE', message, { retryable: true }));
}

/** A refusal of the broker, in its words. */
export function refusal(what: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('BACKEND_REFUSED', `${what}: ${messageOf(error)}`, {
    retryable: true,
    cause: error,
  });
}

export function lostBecause(message: string, cause?: unknown): PlatformError {
  return new PlatformError('CHANNEL_LOST', message, { retryable: true, cause });
}

/** AMQP 0-9-1 reply codes that are told apart here; amqplib puts them on its errors. */
export const NOT_FOUND = 404;
export const PRECONDITION_FAILED = 406;

export function replyCodeOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}
