import type { CloudEvent } from './event.ts';

/**
 * Where a source puts what it has made.
 *   K1  send() resolves only once the sink has taken responsibility for the event; then the source may forget it.
 *   K2  it rejects with a PlatformError otherwise; `retryable` says whether the same event may be tried again.
 */
export interface EventSink {
  send(event: CloudEvent, signal: AbortSignal): Promise<void>;
}
