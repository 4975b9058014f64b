import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { PlatformError } from '../../../base/errors.ts';
import { exitCodeOf } from '../exit-code.ts';
import type { Ended } from '../runtime.ts';
import { RUN_TOKEN } from './left-overs.ts';
import { handedOver, type OutputPipes } from './output-pipes.ts';
import { Output, type LogSink } from './output.ts';

export type ChildOptions = {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly hasIpc: boolean;
  /** Put before the command: what gives it a view or a user of its own (isolation/namespaces.ts); it also goes to `cwd`. */
  readonly wrapper?: readonly string[];
  /** Marks every process of this run of the platform, so that the next can end what is left (X1). */
  readonly token: string;
  /** What it prints into; absent: sockets, which it cannot open by the names in /dev. */
  readonly pipes?: OutputPipes;
};

const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER'];
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));
/** What a grandchild that holds the pipes still prints is not waited for longer. */
const LAST_OUTPUT_MS = 100;

/** One process group: its output, its end, and how to end it. */
export class Child {
  readonly process: ChildProcess;
  readonly output: Output;
  readonly ended: Promise<Ended>;
  readonly startedMs = Date.now();
  readonly #read: readonly (Readable | null)[];
  #wasAsked = false;
  #isGone = false;

  constructor({ command, env, cwd, hasIpc, token, wrapper = [], pipes }: ChildOptions) {
    // Last, because a change of user takes the signal back.
    const guard = SETPRIV === undefined ? [] : [SETPRIV, '--pdeathsig', 'KILL', '--'];
    const [file = '', ...args] = [...wrapper, ...guard, ...command];
    const [out, err] = [pipes?.take(), pipes?.take()];
    this.process = spawn(file, args, {
      cwd: wrapper.length > 0 ? '/' : cwd,
      env: { ...environment(), ...env, [RUN_TOKEN]: token },
      stdio: ['ignore', out?.write ?? 'pipe', err?.write ?? 'pipe', hasIpc ? 'ipc' : 'ignore'],
      detached: true,
    });
    handedOver([out, err]);
    const [stdout, stderr] = [out?.read ?? this.process.stdout, err?.read ?? this.process.stderr];
    this.#read = [stdout, stderr];
    this.output = new Output({ stdout, stderr });
    this.ended = this.#untilEnded();
    void this.ended.then(() => (this.#isGone = true));
  }

  /** Of the process and of its group; 0 when it could not be started. */
  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Whether it has ended, or has just been seen to. */
  get isGone(): boolean {
    return this.#isGone || this.process.exitCode !== null || this.process.signalCode !== null;
  }

  sendTo(sink: LogSink, instance: string): void {
    this.output.sendTo(sink, instance);
    void this.ended.then(() => sink.ended?.(instance));
  }

  /** SIGTERM, SIGKILL after `graceMs`; resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#wasAsked = true;
    const timer = setTimeout(() => this.#kill('SIGKILL'), graceMs);
    this.#kill(graceMs === 0 ? 'SIGKILL' : 'SIGTERM');
    await this.ended;
    clearTimeout(timer);
  }

  #untilEnded(): Promise<Ended> {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    // Later errors are those of its IPC channel, as it breaks; then 'exit' tells.
    this.process.on('error', (error) => {
      if (this.process.pid === undefined) resolve(this.#endedAs(undefined, undefined, error.message));
    });
    // 'close' comes after the last output, unless a grandchild holds the pipe: then 'exit' and a moment.
    const isRead = Promise.all(this.#read.map(untilClosed));
    this.process.once('close', (code, signal) => {
      void isRead.then(() => resolve(this.#endedAs(code, signal)));
    });
    this.process.once('exit', (code, signal) => {
      setTimeout(() => resolve(this.#endedAs(code, signal)), LAST_OUTPUT_MS);
      this.#kill('SIGKILL'); // what it forked goes with it
    });
    return promise;
  }

  #kill(signal: NodeJS.Signals): void {
    if (this.process.pid === undefined || this.#isGone) return; // its number may be another's by now
    try {
      process.kill(-this.process.pid, signal);
    } catch {
      // the group is gone already
    }
  }

  #endedAs(
    code: number | null | undefined,
    signal: NodeJS.Signals | null | undefined,
    error?: string,
  ): Ended {
    const how = error ?? (signal ? `ended by ${signal}` : `exited with code ${code ?? 0}`);
    return {
      exitCode: code ?? undefined,
      signal: signal ?? undefined,
      wasAsked: this.#wasAsked,
      reason: how + this.output.said,
    };
  }
}

function untilClosed(stream: Readable | null): Promise<void> {
  return new Promise((resolve) => {
    if (stream === null || stream.closed) resolve();
    else stream.once('close', resolve).on('error', () => undefined);
  });
}

/** What a process is given of the platform's own environment: an allowlist, since secrets are in the rest (X3). */
export function environment(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** The error of a start that ended in this way. */
export function failedBy(ended: Ended): PlatformError {
  return failed(`ExitCode${exitCodeOf(ended)}`, ended.reason);
}

/** A start that failed; it may well succeed another time. */
export function failed(code: string, message: string): PlatformError {
  return new PlatformError(code, message, { retryable: true });
}
