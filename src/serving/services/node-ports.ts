import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { ReadySlot } from '../activator/slot.ts';
import type { GatewayPool } from '../gateway/pool.ts';

export type NodePort = { readonly port: number; readonly pool: GatewayPool };
type Open = { readonly server: Server; readonly sockets: Set<Socket>; pool: GatewayPool };

/** So long a connection is kept that no Pod takes yet. */
const WAIT_MS = 10_000;

/**
 * Ports of this machine that lead to the Pods of a Service, on loopback. Connections are passed on as they are, each to one
 * Pod; whatever protocol they speak.
 */
export class NodePorts {
  readonly #open = new Map<number, Open>();
  readonly #ofService = new Map<string, readonly number[]>();

  /** Opens and closes what a Service has now; says of those that cannot be opened why. */
  async set(service: string, wanted: readonly NodePort[]): Promise<readonly string[]> {
    const before = this.#ofService.get(service) ?? [];
    for (const port of before) if (!wanted.some((each) => each.port === port)) this.#close(port);
    const faults: string[] = [];
    const opened: number[] = [];
    for (const { port, pool } of wanted) {
      const known = before.includes(port) ? this.#open.get(port) : undefined;
      if (known !== undefined) known.pool = pool;
      const fault = known === undefined ? await this.#listen(port, pool) : undefined;
      if (fault === undefined) opened.push(port);
      else faults.push(`port ${port} of this machine cannot be opened: ${fault}; choose another nodePort`);
    }
    this.#ofService.set(service, opened);
    return faults;
  }

  remove(service: string): void {
    for (const port of this.#ofService.get(service) ?? []) this.#close(port);
    this.#ofService.delete(service);
  }

  close(): void {
    for (const port of this.#open.keys()) this.#close(port);
  }

  #listen(port: number, pool: GatewayPool): Promise<string | undefined> {
    return new Promise((resolve) => {
      const server = createServer((socket) => void this.#pass(port, socket));
      server.once('error', (error) => resolve(messageOf(error)));
      server.listen(port, '127.0.0.1', () => {
        this.#open.set(port, { server, sockets: new Set(), pool });
        resolve(undefined);
      });
    });
  }

  async #pass(port: number, inbound: Socket): Promise<void> {
    inbound.on('error', () => undefined); // 'close' follows
    const open = this.#open.get(port);
    if (open === undefined) return void inbound.destroy();
    const { pool } = open;
    let slot: ReadySlot;
    try {
      slot = pool.tryAcquire() ?? (await pool.acquire(AbortSignal.timeout(WAIT_MS))).slot;
    } catch {
      return void inbound.resetAndDestroy(); // as where nobody listens
    }
    open.sockets.add(inbound);
    const outbound = connect({ port: slot.running.instance.port, host: '127.0.0.1' });
    outbound.on('error', () => inbound.resetAndDestroy()).on('close', () => inbound.end());
    inbound.once('close', () => {
      outbound.destroy();
      open.sockets.delete(inbound);
      pool.release(slot);
    });
    inbound.pipe(outbound).pipe(inbound);
  }

  #close(port: number): void {
    const open = this.#open.get(port);
    this.#open.delete(port);
    open?.server.close();
    for (const socket of open?.sockets ?? []) socket.destroy();
  }
}
