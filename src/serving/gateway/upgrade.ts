import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ReadySlot } from '../activator/slot.ts';
import type { AddedHeaders } from '../plan.ts';
import type { ExchangePlan } from './pool.ts';
import { codeOf, notAnswered, type ExchangeEnd } from './exchange.ts';
import { requestHeaders, responseHeaders } from './forwarding-headers.ts';
import type { Origin } from './origin.ts';
import type { Refusal } from './refusal.ts';

export type Upgrade = {
  readonly request: IncomingMessage;
  readonly origin: Origin;
  readonly added: AddedHeaders | undefined;
  readonly socket: Duplex;
  /** What the client has sent already after its head. */
  readonly head: Buffer;
  readonly slot: ReadySlot;
  readonly plan: ExchangePlan;
  /** What is left of the time for the whole connection, as upstream has it. */
  readonly leftMs: number;
  /** Called instead of `done` when there is no connecting to the instance; undefined: it has no other way. */
  readonly elsewhere: (() => void) | undefined;
  /** The instance has taken the other protocol. */
  readonly joined: () => void;
};

type Upstream = Duplex & { setTimeout?: (ms: number, onTimeout: () => void) => unknown };

/** Hands a connection that asks for another protocol (WebSocket) through to an instance; calls `done` once, at its end. */
export function passUpgrade(upgrade: Upgrade, done: (end: ExchangeEnd) => void): void {
  new Tunnel(upgrade, done).open();
}

/**
 * The way through, in whatever protocol. `timeoutSeconds` is of the whole; `responseStartTimeoutSeconds` until the
 * instance's first byte after the head of its answer; `idleTimeoutSeconds` since the last byte either way.
 */
class Tunnel {
  readonly #upgrade: Upgrade;
  readonly #done: (end: ExchangeEnd) => void;
  readonly #outgoing: ClientRequest;
  readonly #total: NodeJS.Timeout;
  readonly #start: NodeJS.Timeout | undefined;
  #hasBegun = false; // the instance has answered
  #isOver = false;

  constructor(upgrade: Upgrade, done: (end: ExchangeEnd) => void) {
    const { plan, leftMs } = upgrade;
    this.#upgrade = upgrade;
    this.#done = done;
    this.#outgoing = outgoingOf(upgrade);
    this.#total = setTimeout(this.#onTimeout, leftMs);
    if (plan.responseStartTimeoutMs > 0)
      this.#start = setTimeout(this.#onTimeout, plan.responseStartTimeoutMs);
  }

  open(): void {
    const { socket } = this.#upgrade;
    const outgoing = this.#outgoing;
    socket.once('close', this.#onClose);
    outgoing.once('upgrade', (response, upstream: Upstream, head) => this.#join(response, upstream, head));
    outgoing.once('response', (response) => this.#decline(response));
    outgoing.once('error', (error) => {
      if (this.#isOver) return;
      if (codeOf(error) === 'ECONNREFUSED' && this.#leave()) return;
      endSocket(socket, notAnswered(error.message));
      this.#end({ code: 502, isSuspect: true });
    });
    outgoing.end();
  }

  #join(response: IncomingMessage, upstream: Upstream, upstreamHead: Buffer): void {
    const { socket, head, plan, joined } = this.#upgrade;
    this.#hasBegun = true;
    joined();
    const end = (): void => this.#end({ code: 101, isSuspect: false });
    socket.write(headOf(response, response.rawHeaders));
    if (upstreamHead.length > 0) {
      clearTimeout(this.#start);
      socket.write(upstreamHead);
    }
    if (head.length > 0) upstream.write(head);
    if (plan.idleTimeoutMs > 0) upstream.setTimeout?.(plan.idleTimeoutMs, end);
    upstream.once('data', () => clearTimeout(this.#start));
    upstream.on('error', end);
    upstream.once('close', end);
    socket.once('close', () => upstream.destroy());
    socket.pipe(upstream);
    upstream.pipe(socket);
  }

  /** An ordinary answer instead: it is the last on this connection, since both sides may disagree on what follows. */
  #decline(response: IncomingMessage): void {
    const { socket } = this.#upgrade;
    this.#hasBegun = true;
    clearTimeout(this.#start);
    socket.write(headOf(response, [...responseHeaders(response.rawHeaders), 'connection', 'close']));
    response.pipe(socket);
    response.once('close', () => this.#end({ code: response.statusCode ?? 502, isSuspect: false }));
  }

  /** Another tunnel takes over (X4 of exchange.ts). */
  #leave(): boolean {
    const { elsewhere } = this.#upgrade;
    if (elsewhere === undefined) return false;
    this.#isOver = true;
    this.#stop();
    elsewhere();
    return true;
  }

  readonly #onClose = (): void => this.#end({ code: 499, isSuspect: false });

  readonly #onTimeout = (): void => {
    if (!this.#hasBegun) endSocket(this.#upgrade.socket, { code: 504, text: 'request timeout' });
    this.#end({ code: 504, isSuspect: false });
  };

  #end(how: ExchangeEnd): void {
    const { socket } = this.#upgrade;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stop();
    this.#outgoing.destroy();
    if (!socket.writableEnded) socket.destroy();
    this.#done(how);
  }

  #stop(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#start);
    this.#upgrade.socket.off('close', this.#onClose);
  }
}

function outgoingOf({ request, origin, added, slot }: Upgrade): ClientRequest {
  const { method = 'GET', url = '/', headers, rawHeaders } = request;
  const host = headers.host ?? '';
  const passed = { host, origin, method, target: url, headers, rawHeaders, asksToContinue: false };
  return httpRequest({
    host: '127.0.0.1',
    port: slot.running.instance.port,
    method,
    path: url,
    headers: [...requestHeaders(passed, added), 'connection', 'Upgrade', 'upgrade', String(headers.upgrade)],
    agent: false,
  });
}

/** An answer on a socket that has no other way to be given one. */
export function endSocket(socket: Duplex, { code, text, headers = {} }: Refusal): void {
  const body = `${text}\n`;
  const own = { ...headers, 'content-type': 'text/plain; charset=utf-8', connection: 'close' };
  const lines = Object.entries(own).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = `content-length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 ${code} \r\n${lines.join('')}${length}\r\n\r\n${body}`);
}

function headOf({ statusCode, statusMessage }: IncomingMessage, raw: readonly string[]): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i + 1 < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}
