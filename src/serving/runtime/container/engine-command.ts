import { request, type IncomingMessage } from 'node:http';
import { PassThrough, type Duplex, type Readable, type Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { PlatformError } from '../../../base/errors.ts';
import type { Command } from '../reach.ts';
import { faultOf, type Engine } from './engine.ts';
import { Frames } from './frames.ts';

const START_TIMEOUT_MS = 30_000;
/** Of an engine that does not tell how a command ended: as a shell tells of a signal of which it knows nothing. */
const UNKNOWN = 255;
const EXIT_TIMEOUT_MS = 5000;
const EXIT_EVERY_MS = 50;
const SIZE_MAX = 65_536;

export type CommandOptions = {
  readonly hasTerminal: boolean;
  /** Ends it by its number, where that is one of this machine. */
  readonly endProcess: (pid: number) => void;
};

/** A command beside a container: Docker Engine API 1.41, ExecCreate, ExecStart, ExecInspect, ExecResize. */
export class EngineCommand implements Command {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable | undefined;
  readonly ended: Promise<number>;
  readonly #engine: Engine;
  readonly #id: string;
  readonly #socket: Duplex;
  readonly #options: CommandOptions;

  private constructor(engine: Engine, id: string, { socket, head }: Hijacked, options: CommandOptions) {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    this.#engine = engine;
    this.#id = id;
    this.#socket = socket;
    this.#options = options;
    this.stdin = socket;
    this.stdout = stdout;
    this.stderr = options.hasTerminal ? undefined : stderr;
    const frames = new Frames((stream, chunk) => void (stream === 'stdout' ? stdout : stderr).write(chunk));
    const take = (chunk: Buffer): void =>
      options.hasTerminal ? void stdout.write(chunk) : frames.take(chunk);
    if (head.byteLength > 0) take(head);
    this.ended = this.#pump(take, [stdout, stderr]);
  }

  /** Undefined: the container does not run. Rejects with EngineUnavailable, or with what the engine says of the command. */
  static async start(
    engine: Engine,
    container: string,
    command: readonly string[],
    options: CommandOptions,
  ): Promise<EngineCommand | undefined> {
    const { hasTerminal } = options;
    const created = await engine.ask('POST', `/containers/${container}/exec`, {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: hasTerminal,
      Cmd: command,
    });
    if (created.status === 404 || created.status === 409) return undefined;
    const id = (created.body as { Id?: unknown } | null)?.Id;
    if (typeof id !== 'string') throw refused(faultOf(created));
    return new EngineCommand(engine, id, await hijack(engine, id, hasTerminal), options);
  }

  readonly resize = (columns: number, rows: number): void => {
    if (!this.#options.hasTerminal || ![columns, rows].every(isSize)) return;
    void this.#engine.ask('POST', `/exec/${this.#id}/resize?h=${rows}&w=${columns}`).catch(() => undefined); // it keeps the size that it has
  };

  /** The API ends no command: one of this machine is ended by its number, any other finds its streams closed. */
  readonly kill = (): void => {
    if (this.#socket.destroyed) return;
    void this.#state().then(({ Running, Pid }) => {
      if (Running === true && Pid !== undefined && Pid > 0) this.#options.endProcess(Pid);
      this.#socket.destroy();
    });
  };

  async #pump(take: (chunk: Buffer) => void, outputs: readonly PassThrough[]): Promise<number> {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      take(chunk);
      const full = outputs.find(({ writableNeedDrain }) => writableNeedDrain);
      if (full === undefined) return;
      socket.pause(); // who reads slowly holds the command up, not this memory
      full.once('drain', () => socket.resume());
    });
    await new Promise((resolve) => socket.once('close', resolve));
    for (const output of outputs) output.end();
    return this.#exitCode();
  }

  /** Its streams may have ended a moment before it. */
  async #exitCode(): Promise<number> {
    const untilMs = Date.now() + EXIT_TIMEOUT_MS;
    for (;;) {
      const { Running, ExitCode } = await this.#state();
      if (Running === false && typeof ExitCode === 'number') return ExitCode;
      if (Running === undefined || Date.now() > untilMs) return UNKNOWN;
      await pause(EXIT_EVERY_MS);
    }
  }

  async #state(): Promise<ExecState> {
    const answer = await this.#engine.ask('GET', `/exec/${this.#id}/json`).catch(() => undefined);
    return answer === undefined || answer.status >= 300 ? {} : (answer.body as ExecState);
  }
}

type ExecState = {
  readonly Running?: boolean;
  readonly ExitCode?: number | null;
  readonly Pid?: number;
};
type Hijacked = { readonly socket: Duplex; readonly head: Buffer };

const isSize = (n: number): boolean => Number.isInteger(n) && n > 0 && n < SIZE_MAX;

/** Its connection becomes the command's streams (API: ExecStart, and ContainerAttach on hijacking). */
async function hijack(engine: Engine, id: string, hasTerminal: boolean): Promise<Hijacked> {
  const api = await engine.api();
  const body = JSON.stringify({ Detach: false, Tty: hasTerminal });
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: engine.socket,
      path: `${api}/exec/${id}/start`,
      method: 'POST',
      agent: false,
      timeout: START_TIMEOUT_MS,
      headers: {
        host: 'engine',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        connection: 'Upgrade',
        upgrade: 'tcp',
      },
    });
    const take = (socket: Duplex, head: Buffer): void => {
      outgoing.setTimeout(0);
      socket.on('error', () => undefined); // it closes
      resolve({ socket, head });
    };
    outgoing.once('upgrade', (_answer, socket, head) => take(socket, head));
    outgoing.once('response', (answer) => void refusalOf(answer).then(reject));
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${START_TIMEOUT_MS} ms`)));
    outgoing.once('error', ({ message }) => reject(refused(message)));
    outgoing.end(body);
  });
}

async function refusalOf(answer: IncomingMessage): Promise<PlatformError> {
  let said = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) said = (said + chunk.toString()).slice(0, 4096);
  const { message } = parsed(said) as { message?: unknown };
  return refused(typeof message === 'string' ? message : said || `status ${answer.statusCode}`);
}

function parsed(text: string): object {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    return {};
  }
}

const refused = (why: string): PlatformError =>
  new PlatformError('POD_NOT_REACHED', `the container engine does not run the command: ${why}`, {
    retryable: false,
  });
