import type { ServerResponse } from 'node:http';
import type { RevisionPool } from '../activator/revision-pool.ts';

/** Answers a probe by `K-Network-Probe`, waking nothing (serving pkg/activator/handler/probe_handler.go, pkg/queue). */
export function answerProbe(
  response: ServerResponse,
  probe: string,
  pool: Pick<RevisionPool, 'counts'> | undefined,
): void {
  if (probe === 'activator') return answer(response, 200, 'activator');
  if (probe !== 'queue')
    return answer(response, 400, `unexpected probe header value: ${JSON.stringify(probe)}`);
  const isReady = pool !== undefined && pool.counts.ready > 0;
  answer(response, isReady ? 200 : 503, isReady ? 'queue' : 'no instance is ready');
}

/** Without a line end: probers compare the whole body. */
function answer(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(text)),
  });
  response.end(text);
}
