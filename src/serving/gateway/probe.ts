import type { GatewayPool } from './pool.ts';
import type { Inbound } from './inbound.ts';

/** Answers a probe by `K-Network-Probe`, waking nothing (serving pkg/activator/handler/probe_handler.go, pkg/queue). */
export function answerProbe(
  inbound: Inbound,
  probe: string,
  pool: Pick<GatewayPool, 'counts'> | undefined,
): void {
  if (probe === 'activator') return answer(inbound, 200, 'activator');
  if (probe !== 'queue')
    return answer(inbound, 400, `unexpected probe header value: ${JSON.stringify(probe)}`);
  const isReady = pool !== undefined && pool.counts.ready > 0;
  answer(inbound, isReady ? 200 : 503, isReady ? 'queue' : 'no instance is ready');
}

/** Without a line end: probers compare the whole body. */
function answer(inbound: Inbound, code: number, text: string): void {
  const type = ['content-type', 'text/plain; charset=utf-8'];
  const headers = [...type, 'content-length', String(Buffer.byteLength(text))];
  inbound.begin({ code, message: undefined, headers, isAll: false, mayTrail: false, announces: false });
  inbound.stream.write(text);
  inbound.end([]);
}
