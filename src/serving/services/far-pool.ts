import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { isReady, runningAt, startingSlot, type ReadySlot } from '../activator/slot.ts';
import type { Lease } from '../activator/waiting.ts';
import type { ExchangePlan, GatewayPool } from '../gateway/pool.ts';
import type { Ended, Instance } from '../runtime/runtime.ts';

const TIMEOUT_MS = 24 * 3_600_000;

/** The other end of an ExternalName Service: one host elsewhere, by a port of this machine that leads there. */
export class FarPool implements GatewayPool {
  readonly plan: ExchangePlan = {
    protocol: 'http1',
    timeoutMs: TIMEOUT_MS,
    responseStartTimeoutMs: 0,
    idleTimeoutMs: 0,
  };
  readonly counts = { ready: 1 };
  readonly retryAfterS = 1;
  readonly #slot: ReadySlot;
  readonly #instance: Instance;

  private constructor(instance: Instance) {
    const slot = startingSlot(instance.id, instance.readyMs);
    slot.state = 'ready';
    slot.running = runningAt(instance, instance.readyMs);
    if (!isReady(slot)) throw new Error('a slot that runs and is ready is ready');
    this.#slot = slot;
    this.#instance = instance;
  }

  static async open(host: string, port: number): Promise<FarPool> {
    return new FarPool(await farInstance(host, port));
  }

  tryAcquire(): ReadySlot {
    this.#slot.inFlight += 1;
    return this.#slot;
  }

  async acquire(): Promise<Lease> {
    return { slot: this.tryAcquire(), wake: undefined };
  }

  release(slot: ReadySlot): void {
    slot.inFlight -= 1;
  }

  upgraded(): void {
    // counted as a request until it ends
  }

  suspect(): void {
    // there is no other
  }

  async close(): Promise<void> {
    await this.#instance.stop(0);
    await this.#slot.running.client.destroy();
  }
}

/** Bytes are passed as they are, whatever they mean. */
async function farInstance(host: string, port: number): Promise<Instance> {
  const server = createServer((inbound) => {
    const outbound = connect({ host, port });
    inbound.on('error', () => outbound.destroy()).on('close', () => outbound.destroy());
    outbound.on('error', () => inbound.resetAndDestroy()).on('close', () => inbound.destroy());
    inbound.pipe(outbound).pipe(inbound);
  });
  const end = Promise.withResolvers<Ended>();
  const atMs = Date.now();
  return {
    id: host,
    pid: 0,
    port: await listening(server),
    startedMs: atMs,
    readyMs: atMs,
    ended: end.promise,
    refresh: () => undefined,
    stop: async () => {
      server.close();
      end.resolve({ exitCode: 0, signal: undefined, wasAsked: true, reason: 'it was asked to end' });
    },
  };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)); // a TCP server has one
  });
}
