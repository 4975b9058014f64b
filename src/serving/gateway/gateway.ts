import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { hostNameOf } from '../../http/host-check.ts';
import { answerText } from '../../http/respond.ts';
import { isHeard, publishSignal, type Wake } from '../../telemetry/signals.ts';
import type { RevisionPool } from '../activator/revision-pool.ts';
import type { ReadySlot } from '../activator/slot.ts';
import type { RoutePlan } from '../plan.ts';
import { answerProbe } from './probe.ts';
import { proxy } from './proxy.ts';
import { refusalOf, type Refusal } from './refusal.ts';
import { passUpgrade } from './upgrade.ts';

export type GatewayOptions = {
  /** The route that a host name of this listener leads to; `hidden`: another listener's, so this one says 404. */
  readonly routeFor: (host: string) => RoutePlan | 'hidden' | undefined;
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
  const routeOf = ({ headers }: IncomingMessage): ReturnType<typeof routeFor> =>
    routeFor(hostNameOf(headers.host ?? ''));
  return {
    onRequest(request, response) {
      const route = routeOf(request);
      if (route === undefined) return otherwise(request, response);
      if (route === 'hidden') return answerText(response, 404, NOT_A_SERVICE);
      const revision = chooseTarget(route, random);
      const pool = poolFor(revision);
      const probe = request.headers['k-network-probe'];
      if (probe !== undefined) return answerProbe(response, String(probe), pool);
      new Exchange(request, revision, clock).answer(response, pool);
    },
    onUpgrade(request, socket, head) {
      socket.on('error', () => undefined); // 'close' follows, and is heard where it counts
      const route = routeOf(request);
      if (route === undefined || route === 'hidden')
        return endSocket(socket, { code: 404, text: NOT_A_SERVICE });
      const revision = chooseTarget(route, random);
      void new Exchange(request, revision, clock).upgrade(socket, head, poolFor(revision));
    },
  };
}

/** Said of a name inside the cluster too, so that outside the two are alike. */
const NOT_A_SERVICE = 'not a service';

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

/** One request on its way through, told once however it ends. */
class Exchange {
  readonly #request: IncomingMessage;
  readonly #revision: string;
  readonly #clock: Clock;
  readonly #atMs: number;

  constructor(request: IncomingMessage, revision: string, clock: Clock) {
    this.#request = request;
    this.#revision = revision;
    this.#clock = clock;
    this.#atMs = clock.nowMs();
  }

  answer(response: ServerResponse, pool: RevisionPool | undefined): void {
    const refusal = refusalOf(pool);
    if (pool === undefined || refusal !== undefined) return this.#refuse(response, refusal);
    const slot = pool.tryAcquire();
    if (slot === undefined) void this.#wait(response, pool);
    else this.#forward(response, pool, slot, undefined);
  }

  async upgrade(socket: Duplex, head: Buffer, pool: RevisionPool | undefined): Promise<void> {
    const refusal = refusalOf(pool);
    if (pool === undefined || refusal !== undefined) {
      this.#tell(refusal?.code ?? 503);
      return endSocket(socket, refusal);
    }
    const patience = new Patience(pool.plan.timeoutMs, socket);
    try {
      const { slot, wake } = await pool.acquire(patience.signal);
      const plan = { timeoutMs: this.#leftMs(pool), idleTimeoutMs: pool.plan.idleTimeoutMs };
      passUpgrade({ request: this.#request, socket, head, slot, ...plan }, ({ code, isSuspect }) => {
        if (isSuspect) pool.suspect(slot);
        pool.release(slot);
        this.#tell(code, slot.id, wake);
      });
    } catch (error) {
      const failed = patience.refusal ?? refusalOf(pool, error);
      this.#tell(failed?.code ?? 503);
      endSocket(socket, failed);
    } finally {
      patience.end();
    }
  }

  /** No instance has room, or there is none: the request is held, for as long as it may take in all. */
  async #wait(response: ServerResponse, pool: RevisionPool): Promise<void> {
    const patience = new Patience(pool.plan.timeoutMs, response);
    try {
      const { slot, wake } = await pool.acquire(patience.signal);
      if (patience.signal.aborted) {
        pool.release(slot);
        this.#refuse(response, patience.refusal);
      } else this.#forward(response, pool, slot, wake);
    } catch (error) {
      this.#refuse(response, patience.refusal ?? refusalOf(pool, error));
    } finally {
      patience.end();
    }
  }

  #forward(response: ServerResponse, pool: RevisionPool, slot: ReadySlot, wake: Wake | undefined): void {
    const leftMs = this.#leftMs(pool);
    proxy(this.#request, response, {
      slot,
      plan: pool.plan,
      leftMs,
      done: ({ code, isSuspect }) => {
        if (isSuspect) pool.suspect(slot);
        pool.release(slot);
        this.#tell(code, slot.id, wake);
      },
    });
  }

  #leftMs({ plan }: RevisionPool): number {
    return Math.max(1, plan.timeoutMs - (this.#clock.nowMs() - this.#atMs));
  }

  #refuse(response: ServerResponse, refusal: Refusal | undefined): void {
    const { code, text, headers } = refusal ?? NONE_READY;
    if (!response.destroyed) answerText(response, code, text, headers);
    this.#tell(code);
  }

  #tell(code: number, instance = '', wake?: Wake): void {
    if (!isHeard('serving.answered')) return;
    const { headers } = this.#request;
    const read = (name: string): string => String(headers[name] ?? '');
    const event = { id: read('ce-id'), source: read('ce-source'), type: read('ce-type') };
    const [atMs, tookMs] = [this.#atMs, this.#clock.nowMs() - this.#atMs];
    publishSignal('serving.answered', {
      ...event,
      revision: this.#revision,
      instance,
      code,
      wake,
      atMs,
      tookMs,
    });
  }
}

/** How long a request is held: until its time is over, or until nobody waits for its answer any more. */
class Patience {
  refusal: Refusal | undefined;
  readonly #end = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #asker: ServerResponse | Duplex;

  constructor(timeoutMs: number, asker: ServerResponse | Duplex) {
    this.#asker = asker;
    this.#timer = setTimeout(() => this.#over(504, 'activator request timeout'), timeoutMs);
    asker.once('close', this.#onGone);
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#asker.off('close', this.#onGone);
  }

  readonly #onGone = (): void => this.#over(499, 'the client went away');

  #over(code: number, text: string): void {
    this.refusal = { code, text, headers: { connection: 'close' } };
    this.#end.abort();
  }
}

const NONE_READY: Refusal = { code: 503, text: 'no revision of this service is ready' };

function endSocket(socket: Duplex, { code, text }: Refusal = NONE_READY): void {
  const body = `${text}\n`;
  const head = `HTTP/1.1 ${code} \r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
