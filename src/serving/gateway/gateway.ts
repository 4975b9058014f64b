import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { hostNameOf } from '../../http/host-check.ts';
import { answerText } from '../../http/respond.ts';
import { isHeard, publishSignal, type Wake } from '../../telemetry/signals.ts';
import type { RevisionPool } from '../activator/revision-pool.ts';
import type { Slot } from '../activator/slot.ts';
import type { RoutePlan } from '../plan.ts';
import { proxy } from './proxy.ts';
import { passUpgrade } from './upgrade.ts';

export type GatewayOptions = {
  /** The route that a host name of this listener leads to. */
  readonly routeFor: (host: string) => RoutePlan | undefined;
  readonly poolFor: (revision: string) => RevisionPool | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** What answers on a host that is no service's. */
  readonly otherwise: (request: IncomingMessage, response: ServerResponse) => void;
};

export type Gateway = {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
};

/** Routes requests by Host to an instance of a revision, woken from zero where none runs. */
export function createGateway(options: GatewayOptions): Gateway {
  const { routeFor, poolFor, clock, random, otherwise } = options;
  const target = (request: IncomingMessage): RevisionPool | 'none' | undefined => {
    const route = routeFor(hostNameOf(request.headers.host ?? ''));
    if (route === undefined) return undefined;
    return poolFor(chooseTarget(route, random)) ?? 'none';
  };
  return {
    onRequest(request, response) {
      const pool = target(request);
      if (pool === undefined) return otherwise(request, response);
      if (request.headers['k-network-probe'] !== undefined) return answerText(response, 200, 'activator');
      if (pool === 'none') return answerText(response, 503, 'no revision of this service is ready');
      const atMs = clock.nowMs();
      const slot = pool.tryAcquire();
      if (slot === undefined) void wait(request, response, pool, atMs, clock);
      else forward(request, response, { pool, slot, atMs, wake: undefined, clock });
    },
    onUpgrade(request, socket, head) {
      const pool = target(request);
      if (pool === undefined || pool === 'none')
        return void socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      const gone = new AbortController();
      socket.on('close', () => gone.abort());
      pool.acquire(gone.signal).then(
        ({ slot }) => passUpgrade(request, socket, head, slot, () => pool.release(slot)),
        () =>
          socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
      );
    },
  };
}

/** Weights count for each request by itself; they are not sticky (serving API specification). */
function chooseTarget({ targets }: RoutePlan, random: () => number): string {
  const only = targets.length === 1 ? targets[0] : undefined;
  if (only !== undefined) return only.revision;
  let left = random() * 100;
  for (const { revision, percent } of targets) {
    left -= percent;
    if (left < 0) return revision;
  }
  return targets.at(-1)?.revision ?? '';
}

/** No instance has room, or there is none: the request is held, for as long as it may take in all. */
async function wait(
  request: IncomingMessage,
  response: ServerResponse,
  pool: RevisionPool,
  atMs: number,
  clock: Clock,
): Promise<void> {
  const gone = new AbortController();
  const deadline = setTimeout(() => {
    gone.abort();
    answerText(response, 504, 'activator request timeout', { connection: 'close' });
  }, pool.plan.timeoutMs);
  response.once('close', () => gone.abort());
  try {
    const { slot, wake } = await pool.acquire(gone.signal);
    if (gone.signal.aborted) return pool.release(slot);
    forward(request, response, { pool, slot, atMs, wake, clock });
  } catch (error) {
    const code = error instanceof PlatformError && error.code === 'REVISION_GONE' ? 404 : 503;
    answerText(response, code, messageOf(error), { 'retry-after': '1' });
  } finally {
    clearTimeout(deadline);
  }
}

function forward(
  request: IncomingMessage,
  response: ServerResponse,
  {
    pool,
    slot,
    atMs,
    wake,
    clock,
  }: { pool: RevisionPool; slot: Slot; atMs: number; wake: Wake | undefined; clock: Clock },
): void {
  const leftMs = Math.max(1, pool.plan.timeoutMs - (clock.nowMs() - atMs));
  proxy(request, response, {
    slot,
    plan: pool.plan,
    leftMs,
    done: ({ code, isSuspect }) => {
      if (isSuspect) pool.suspect(slot);
      pool.release(slot);
      if (isHeard('serving.answered'))
        tell(request, {
          revision: pool.plan.key,
          instance: slot.id,
          code,
          wake,
          atMs,
          tookMs: clock.nowMs() - atMs,
        });
    },
  });
}

type Told = {
  revision: string;
  instance: string;
  code: number;
  wake: Wake | undefined;
  atMs: number;
  tookMs: number;
};

function tell({ headers }: IncomingMessage, told: Told): void {
  const read = (name: string): string => String(headers[name] ?? '');
  publishSignal('serving.answered', {
    id: read('ce-id'),
    source: read('ce-source'),
    type: read('ce-type'),
    ...told,
  });
}
