import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { PlatformError } from '../../base/errors.ts';
import type { ResourcePath } from '../request.ts';
import { ApiError, badRequest } from '../storage/api-error.ts';
import { attached, type AttachedPod } from './attach.ts';
import { execOptionsOf, type ExecOptions } from './exec.ts';
import type { PodAccess, RunningCommand } from './pod-access.ts';
import { forwardPorts } from './port-forward.ts';
import { execOverSpdy } from './spdy-exec.ts';
import type { LogReader } from '../verbs/pod-log.ts';
import { execOverWebSocket } from './websocket-exec.ts';

/** Subresources of a Pod whose connection becomes another protocol's. */
export const STREAMED: readonly string[] = ['exec', 'attach', 'portforward'];

export type Upgrade = {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly path: ResourcePath;
  readonly query: URLSearchParams;
  readonly pod: AttachedPod;
};

/** Commands and forwarders that are open at a time, over all clients. */
const SESSIONS_MAX = 100;
/** A message of a client: kubectl sends no more than 32 KiB of stdin at a time. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const EXEC_PROTOCOLS: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const FORWARD_PROTOCOL = 'portforward.k8s.io';
/** SPDY's bytes in the messages of a WebSocket, which gets through what knows no SPDY (client-go, tunneling). */
const TUNNEL_PROTOCOL = `SPDY/3.1+${FORWARD_PROTOCOL}`;

/**
 * `exec`, `attach` and `portforward` of Pods, over WebSocket and over SPDY/3.1.
 *   T1  nothing is begun, and no protocol changed, for what would be refused: that is answered as any request is.
 *   T2  at most SESSIONS_MAX at a time; each ends with its client, its Pod and this server.
 */
export class PodStreams {
  readonly #access: PodAccess;
  readonly #logs: LogReader;
  readonly #open = new Set<Duplex>();

  constructor(access: PodAccess, logs: LogReader) {
    this.#access = access;
    this.#logs = logs;
  }

  /** Throws an ApiError for what is refused; resolves when the session is over. */
  async serve(upgrade: Upgrade): Promise<void> {
    const { socket, incoming } = upgrade;
    if (this.#open.size >= SESSIONS_MAX)
      throw new ApiError(
        429,
        'TooManyRequests',
        `${SESSIONS_MAX} commands and forwarders are open already; end one of them`,
      );
    const isWebSocket = (incoming.headers.upgrade ?? '').trim().toLowerCase() === 'websocket';
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (upgrade.path.subresource === 'portforward') await this.#forward(upgrade, isWebSocket);
    else await this.#exec(upgrade, isWebSocket);
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async #forward(upgrade: Upgrade, isWebSocket: boolean): Promise<void> {
    const protocol = chosen(upgrade, [isWebSocket ? TUNNEL_PROTOCOL : FORWARD_PROTOCOL]);
    const transport = isWebSocket ? await openTunnel(upgrade, protocol) : switchToSpdy(upgrade, protocol);
    await forwardPorts(transport, this.#access, podOf(upgrade));
  }

  async #exec(upgrade: Upgrade, isWebSocket: boolean): Promise<void> {
    const options = execOptionsOf(upgrade.query);
    const protocol = chosen(upgrade, isWebSocket ? EXEC_PROTOCOLS : EXEC_PROTOCOLS.slice(1));
    const running =
      upgrade.path.subresource === 'attach'
        ? this.#attach(upgrade, options)
        : await this.#begin(upgrade, options);
    try {
      if (isWebSocket) await execOverWebSocket(await openWebSocket(upgrade, protocol), running, options);
      else await execOverSpdy(switchToSpdy(upgrade, protocol), running, options);
    } finally {
      running.kill();
    }
  }

  #attach({ pod }: Upgrade, { container }: ExecOptions): RunningCommand {
    const running = attached(this.#logs, pod, container);
    if (running !== undefined) return running;
    const { name } = pod.metadata;
    throw badRequest(
      `container ${container ?? ''} of pod ${name} has not run yet; kubectl describe tells why`,
    );
  }

  async #begin(upgrade: Upgrade, { command, container, hasTerminal }: ExecOptions): Promise<RunningCommand> {
    if (command.length === 0) throw badRequest('you must specify at least one command for the container');
    try {
      return await this.#access.exec({ ...podOf(upgrade), container }, command, hasTerminal);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      throw badRequest(error.message);
    }
  }
}

const podOf = ({ path }: Upgrade): { namespace: string; name: string } => ({
  namespace: path.namespace ?? '',
  name: path.name ?? '',
});

/** What a plain request for one of them is answered (apiserver pkg/util/httpstream). */
export const upgradeRequired = (): ApiError => badRequest('Upgrade request required');

/** The first of `known` that the client offers. */
function chosen({ incoming }: Upgrade, known: readonly string[]): string {
  const { headers } = incoming;
  const offered = headers['x-stream-protocol-version'] ?? headers['sec-websocket-protocol'] ?? '';
  const names = [offered].flat().flatMap((each) => each.split(',').map((name) => name.trim()));
  const found = known.find((name) => names.includes(name));
  if (found !== undefined) return found;
  throw new ApiError(
    403,
    'Forbidden',
    `unable to upgrade: unable to negotiate protocol: client supports [${names.join(' ')}], server accepts [${known.join(' ')}]`,
  );
}

function switchToSpdy({ incoming, socket, head }: Upgrade, protocol: string): Duplex {
  if ((incoming.headers.upgrade ?? '').trim().toLowerCase() !== 'spdy/3.1') throw upgradeRequired();
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  return socket;
}

async function openTunnel(upgrade: Upgrade, protocol: string): Promise<Duplex> {
  const { createWebSocketStream } = await import('ws');
  return createWebSocketStream(await openWebSocket(upgrade, protocol));
}

async function openWebSocket(upgrade: Upgrade, protocol: string): Promise<WebSocket> {
  const { WebSocketServer } = await import('ws');
  const { incoming, socket, head } = upgrade;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: () => protocol,
  });
  return new Promise((resolve, reject) => {
    const isClosed = (): void =>
      reject(new PlatformError('CLIENT_GONE', 'the client went away', { retryable: false }));
    socket.once('close', isClosed);
    server.handleUpgrade(incoming, socket, head, (webSocket) => {
      socket.off('close', isClosed);
      resolve(webSocket);
    });
  });
}
