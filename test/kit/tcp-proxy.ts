import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

type Pair = { readonly client: Socket; readonly server: Socket };

/**
 * A TCP relay on loopback that breaks on purpose, for faults between a client and a real server. `cut()` ends every
 * connection at once; while `isDown`, new ones are refused. `hold('answers')` keeps back what the server says, so that a
 * request is taken and its answer lost; `hold('all')` is a half-open connection: nothing comes through, nothing ends.
 */
export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #held: 'none' | 'answers' | 'all' = 'none';
  isDown = false;
  /** Bytes that have come from clients so far: to cut once a request has passed. */
  requestBytes = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#relay(client));
  }

  static async open(host: string, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host, port });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on TCP
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Of what is connected and of what connects later, until release(). */
  hold(what: 'answers' | 'all'): void {
    this.#held = what;
    for (const pair of this.#pairs) this.#apply(pair);
  }

  release(): void {
    this.#held = 'none';
    for (const pair of this.#pairs) this.#apply(pair);
  }

  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket): void {
    if (this.isDown) return void client.destroy();
    const server = connect(this.#target);
    const pair = { client, server };
    this.#pairs.add(pair);
    client.on('data', (bytes) => (this.requestBytes += bytes.byteLength));
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    this.#apply(pair);
  }

  #apply({ client, server }: Pair): void {
    client.unpipe(server);
    server.unpipe(client);
    if (this.#held === 'all') client.pause();
    else client.pipe(server);
    if (this.#held === 'none') server.pipe(client);
    else server.pause();
  }
}
