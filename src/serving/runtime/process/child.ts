import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Ended } from '../runtime.ts';

/** Where the output of instances goes; `stream` tells the two apart. */
export interface LogSink {
  write(instance: string, stream: 'stdout' | 'stderr', chunk: Buffer): void;
}

export type ChildOptions = {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly hasIpc: boolean;
  /** Marks every process of this run of the platform, so that the next can end what is left (X1). */
  readonly token: string;
};

const TOKEN = 'MILLRACE_RUN';
const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER'];
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
const TAIL_BYTES = 2048;

/** One process group: its output, its end, and how to end it. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly startedMs = Date.now();
  #sink: ((stream: 'stdout' | 'stderr', chunk: Buffer) => void) | undefined;
  #tail = Buffer.alloc(0);
  #wasAsked = false;

  constructor({ command, env, cwd, hasIpc, token }: ChildOptions) {
    const [file, ...args] =
      SETPRIV === undefined ? command : [SETPRIV, '--pdeathsig', 'KILL', '--', ...command];
    this.process = spawn(file, args, {
      cwd,
      env: { ...inherited(), ...env, [TOKEN]: token },
      stdio: ['ignore', 'pipe', 'pipe', hasIpc ? 'ipc' : 'ignore'],
      detached: true,
    });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.process[stream]?.on('data', (chunk: Buffer) => this.#print(stream, chunk));
    }
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => resolve(this.#endedAs(undefined, undefined, error.message)));
      // 'close' comes after the last output, unless a grandchild holds the pipe: then 'exit' and a moment.
      this.process.once('close', (code, signal) => resolve(this.#endedAs(code, signal)));
      this.process.once('exit', (code, signal) => {
        setTimeout(() => resolve(this.#endedAs(code, signal)), 100);
        this.#kill('SIGKILL'); // what it forked goes with it
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  /** The last lines of its output. */
  get lastLines(): string {
    return this.#tail.toString().trimEnd().split('\n').slice(-5).join('\n');
  }

  sendTo(sink: LogSink, instance: string): void {
    this.#sink = (stream, chunk) => sink.write(instance, stream, chunk);
  }

  /** SIGTERM, SIGKILL after `graceMs`; resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#wasAsked = true;
    const timer = setTimeout(() => this.#kill('SIGKILL'), graceMs);
    this.#kill(graceMs === 0 ? 'SIGKILL' : 'SIGTERM');
    await this.ended;
    clearTimeout(timer);
  }

  #print(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    this.#sink?.(stream, chunk);
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.process.pid !== undefined) killGroup(this.process.pid, signal);
  }

  #endedAs(
    code: number | null | undefined,
    signal: NodeJS.Signals | null | undefined,
    error?: string,
  ): Ended {
    const how = error ?? (signal ? `ended by ${signal}` : `exited with code ${code ?? 0}`);
    const printed = this.lastLines;
    return {
      exitCode: code ?? undefined,
      signal: signal ?? undefined,
      wasAsked: this.#wasAsked,
      reason: printed === '' ? how : `${how}; it printed last:\n${printed}`,
    };
  }
}

function inherited(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  ); // X3
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone already
  }
}

/** Ends every process that an earlier run left, found by its token in their environment (X1); returns how many. */
export function endLeftOvers(token: string): number {
  if (!existsSync('/proc/self/environ')) return 0;
  let ended = 0;
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    if (pid === process.pid || !environmentOf(pid).includes(`${TOKEN}=${token}`)) continue;
    try {
      process.kill(pid, 'SIGKILL');
      ended += 1;
    } catch {
      // ended by itself meanwhile
    }
  }
  return ended;
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // gone, or another user's
  }
}
