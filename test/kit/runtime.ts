import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { PlatformError } from '../../src/base/errors.ts';
import type {
  Ended,
  Instance,
  InstanceSpec,
  Runtime,
  TellStatus,
  Unmet,
} from '../../src/serving/runtime/runtime.ts';
import type { Usage } from '../../src/serving/runtime/usage.ts';

/** An instance of the twin: a real server in this process, which keeps count of what it is sent. */
export type TwinInstance = Instance & {
  readonly most: () => number; // requests at once, at most
  readonly busy: () => number;
  /** How many requests it had when it was told to stop. */
  readonly busyAtStop: () => number | undefined;
  /** Ends as a crashed process does: every connection is reset. */
  crash(): void;
  /** Lives on, but refuses connections. */
  deafen(): void;
  /** Tells that it is ready no more, or again. */
  setReady(isReady: boolean): void;
};

/**
 * A Runtime whose instances are node:http servers in this process: real sockets, no processes. Starts can be held back
 * and made to fail.
 */
export class TwinRuntime implements Runtime {
  readonly started: TwinInstance[] = [];
  /** The next starts fail with these, one each. */
  readonly failures: PlatformError[] = [];
  starts = 0;
  /** What each instance uses. */
  usage: Usage | undefined;
  onUpgrade: ((request: IncomingMessage, socket: Duplex) => void) | undefined;
  /** What the next instances do with `Expect: 100-continue`, before they answer; Node says 100 unless given. */
  onContinue: RequestListener | undefined;
  /** Makes the next instances speak HTTP/2 instead; given their servers. */
  onHttp2: ((server: Http2Server) => void) | undefined;
  #gate: Promise<void> = Promise.resolve();
  readonly #answer: RequestListener;

  constructor(answer: RequestListener) {
    this.#answer = answer;
  }

  /** Holds all starts back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  async start(_: InstanceSpec, id: string, tell: TellStatus = () => undefined): Promise<Instance> {
    this.starts += 1;
    const failure = this.failures.shift();
    await this.#gate;
    if (failure !== undefined) throw failure;
    const opened = await openInstance(id, this.#answer, this, tell);
    const instance = { ...opened, usage: () => Promise.resolve(this.usage) };
    this.started.push(instance);
    return instance;
  }

  unmet(): readonly Unmet[] {
    return [];
  }

  async close(): Promise<void> {
    await Promise.all(this.started.map((instance) => instance.stop(0)));
  }
}

async function openInstance(
  id: string,
  answer: RequestListener,
  { onUpgrade, onContinue, onHttp2 }: Pick<TwinRuntime, 'onUpgrade' | 'onContinue' | 'onHttp2'>,
  tell: TellStatus,
): Promise<TwinInstance> {
  const sockets = new Set<Socket>();
  let [busy, most] = [0, 0];
  let busyAtStop: number | undefined;
  const counted: RequestListener = (request, response) => {
    busy += 1;
    most = Math.max(most, busy);
    response.on('close', () => (busy -= 1));
    answer(request, response);
  };
  // Handlers use of HTTP/2's requests only what those of HTTP/1.1 have.
  const http2 = onHttp2 && createHttp2Server(counted as unknown as Parameters<typeof createHttp2Server>[1]);
  if (http2 !== undefined) onHttp2?.(http2);
  const server = http2 ?? createServer(counted);
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade);
  if (onContinue !== undefined) {
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      onContinue(request, response);
      counted(request, response);
    });
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const { promise: ended, resolve } = Promise.withResolvers<Ended>();
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
    server.close();
  };
  const end = (how: Partial<Ended>): void => {
    cut();
    resolve({ exitCode: 0, signal: undefined, wasAsked: false, reason: 'exited with code 0', ...how });
  };
  const port = await listening(server);
  const atMs = Date.now();
  return {
    id,
    pid: process.pid,
    port,
    startedMs: atMs,
    readyMs: atMs,
    ended,
    most: () => most,
    busy: () => busy,
    busyAtStop: () => busyAtStop,
    crash: () => end({ exitCode: 3, reason: 'exited with code 3' }),
    deafen: cut,
    setReady: (isReady) => tell({ isReady, containers: [], initContainers: [] }),
    refresh: () => undefined,
    async stop() {
      busyAtStop ??= busy;
      end({ wasAsked: true });
      await ended;
    },
  };
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  return (server.address() as AddressInfo).port;
}
