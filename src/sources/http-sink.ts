import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { messageOf, PlatformError } from '../base/errors.ts';
import { writeBinary } from '../events/binary.ts';
import type { EventSink } from '../events/sink.ts';

/** Whoever waits for a source waits ten seconds (GitHub does); from connecting to the end of the answer. */
const DEADLINE_MS = 9000;
/** Beside 5xx; the same ones as for a delivery (eventing pkg/kncloudevents/retries.go, SelectiveRetry). */
const RETRIABLE: ReadonlySet<number> = new Set([404, 408, 409, 429]);
/** An answer of no use is read this far, to keep its connection; one that goes on is cut. */
const DRAINED_BYTES = 128 * 1024;

/**
 * A sink that is reached by HTTP: one POST in binary mode for each event, no retries. Any 2xx means taken (K1);
 * anything else rejects with `SINK_REFUSED` or `SINK_UNREACHABLE` (K2); `retryable` says for which of them
 * another try is of use.
 */
export function httpSink(outbound: Dispatcher, url: string, deadlineMs: number = DEADLINE_MS): EventSink {
  const { origin, pathname, search } = new URL(url);
  return {
    async send(event, signal) {
      const within = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
      const headers = [...writeBinary(event), 'user-agent', 'millrace'];
      const body = Buffer.from(event.body.buffer, event.body.byteOffset, event.body.byteLength);
      const request = { origin, path: pathname + search, method: 'POST', headers, body } as const;
      const code = await outbound.request({ ...request, signal: within }).then(
        async (answer) => {
          await drain(answer.body);
          return answer.statusCode;
        },
        (error: unknown) => {
          throw unreachableSink(origin, endOf(signal, within, deadlineMs) ?? error);
        },
      );
      if (code < 200 || code > 299) throw refusedBy(origin, code);
    },
  };
}

/** Why it ended before there was an answer, when it was not the sink's doing. */
function endOf(signal: AbortSignal, within: AbortSignal, deadlineMs: number): string | undefined {
  if (signal.aborted) return 'stopped before there was one';
  return within.aborted ? `none came within ${deadlineMs} ms` : undefined;
}

/** The status is known and that is what counts: how the rest of the answer ends does not matter. */
async function drain(body: Readable): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body) if ((bytes += (chunk as Buffer).length) > DRAINED_BYTES) break;
  } catch {
    body.destroy();
  }
}

function refusedBy(origin: string, code: number): PlatformError {
  const redirect = code >= 300 && code < 400 ? '; redirects are not followed' : '';
  return new PlatformError('SINK_REFUSED', `the sink at ${origin} answered ${code}${redirect}`, {
    retryable: code >= 500 || RETRIABLE.has(code),
  });
}

function unreachableSink(origin: string, cause: unknown): PlatformError {
  const retryable = cause instanceof PlatformError ? cause.retryable : true;
  return new PlatformError('SINK_UNREACHABLE', `the sink at ${origin} gave no answer: ${messageOf(cause)}`, {
    retryable,
    cause,
  });
}
