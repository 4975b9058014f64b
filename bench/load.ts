import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { answerRequests, type Answer, type Message } from './child.ts';
import { quantile } from './rounds.ts';

/**
 * Sends POSTs over kept-alive sockets and reads their answers byte by byte, so that it never becomes what is measured.
 * Without `rate` it is a closed loop: each connection sends its next request when it has its answer. With one it is an
 * open loop of that many requests a second, and a request is late from the moment it was due.
 */
type Ask = {
  readonly port: number;
  readonly path: string;
  readonly host: string;
  readonly connections: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly rate: number; // 0: closed loop
  /** Header lines in place of those of an event; the last one is the name of what differs from request to request. */
  readonly head: string;
  readonly body: string; // in place of so many bytes
};

answerRequests((message) => run(askOf(message)));

function askOf(message: Message): Ask {
  const number = (name: string, otherwise = 0): number => Number(message[name] ?? otherwise);
  return {
    port: number('port'),
    path: String(message['path'] ?? '/'),
    host: String(message['host'] ?? 'bench'),
    connections: number('connections', 1),
    seconds: number('seconds', 2),
    bytes: number('bytes', 1024),
    rate: number('rate'),
    head: String(message['head'] ?? EVENT_HEAD),
    body: String(message['body'] ?? 'x'.repeat(number('bytes', 1024))),
  };
}

const EVENT_HEAD = [
  'content-type: text/plain',
  'ce-specversion: 1.0',
  'ce-source: /bench',
  'ce-type: bench.event',
  'ce-id: ',
].join('\r\n');

async function run(ask: Ask): Promise<Answer> {
  const lanes = Array.from({ length: ask.connections }, () => new Lane(ask));
  await Promise.all(lanes.map((lane) => lane.open()));
  const startMs = performance.now();
  const endMs = startMs + ask.seconds * 1000;
  if (ask.rate === 0) await Promise.all(lanes.map((lane) => lane.loop(endMs)));
  else await paced(lanes, ask.rate, startMs, endMs);
  const ms = performance.now() - startMs;
  for (const lane of lanes) lane.close();
  const sum = (read: (lane: Lane) => number): number => lanes.reduce((total, lane) => total + read(lane), 0);
  const latencies = lanes.flatMap((lane) => lane.latencies).toSorted((a, b) => a - b);
  return {
    answered: sum((lane) => lane.answered),
    refused: sum((lane) => lane.refused),
    ms,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

async function paced(lanes: readonly Lane[], rate: number, startMs: number, endMs: number): Promise<void> {
  const idle = [...lanes];
  const running = new Set<Promise<void>>();
  let sent = 0;
  for (;;) {
    const nowMs = performance.now();
    if (nowMs >= endMs) break;
    while (sent < ((nowMs - startMs) / 1000) * rate) {
      const lane = idle.pop();
      if (lane === undefined) break; // all are busy: it is sent late, and counted from when it was due
      const request = lane.send(startMs + (sent / rate) * 1000).then(() => {
        running.delete(request);
        idle.push(lane);
      });
      running.add(request);
      sent += 1;
    }
    await pause(1);
  }
  await Promise.all(running);
}

const ID_DIGITS = 12;
let lastId = 0;

/** One connection: at most one request under way. */
class Lane {
  answered = 0;
  refused = 0;
  readonly latencies: number[] = [];
  readonly #socket: Socket;
  readonly #request: Buffer;
  readonly #idAt: number;
  #sinceMs = 0;
  #pending: Buffer = Buffer.alloc(0);
  #done: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor({ port, path, host, head: own, body }: Ask) {
    const head = [
      `POST ${path} HTTP/1.1`,
      `host: ${host}`,
      `content-length: ${Buffer.byteLength(body)}`,
      own,
    ].join('\r\n');
    this.#idAt = head.length;
    this.#request = Buffer.from(`${head}${'0'.repeat(ID_DIGITS)}\r\n\r\n${body}`);
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#fail?.(error));
    this.#socket.on('close', () => this.#fail?.(new Error('the connection was closed')));
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      this.#socket.once('connect', resolve);
    });
  }

  async loop(endMs: number): Promise<void> {
    while (performance.now() < endMs) await this.send(performance.now());
  }

  /** Resolves when the answer has come whole; its time counts from `sinceMs`. */
  send(sinceMs: number): Promise<void> {
    this.#sinceMs = sinceMs;
    this.#request.write(String((lastId += 1)).padStart(ID_DIGITS, '0'), this.#idAt, 'latin1');
    this.#socket.write(this.#request); // the one before has been answered, so its bytes are no longer needed
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
    });
  }

  close(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0 || bytes.length < headEnd + 4 + lengthIn(bytes, headEnd)) {
      this.#pending = bytes;
      return;
    }
    this.#pending = Buffer.alloc(0);
    if (bytes[9] === 0x32) this.answered += 1; // `HTTP/1.1 2`
    else this.refused += 1;
    this.latencies.push(performance.now() - this.#sinceMs);
    this.#done?.();
  }
}

function lengthIn(bytes: Buffer, headEnd: number): number {
  const declared = /content-length: (\d+)/i.exec(bytes.toString('latin1', 0, headEnd + 2))?.[1];
  if (declared !== undefined) return Number(declared);
  if (bytes.toString('latin1', 9, 12) === '204') return 0;
  throw new Error('the answer says no content-length'); // this reader does not know chunked encoding
}
