import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { PlatformError } from '../../../base/errors.ts';
import type { Command } from '../reach.ts';
import type { ContainerRun } from './container-run.ts';
import { processes, RUN_TOKEN } from './left-overs.ts';

const found = (...paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));
const SETPRIV = found('/usr/bin/setpriv', '/bin/setpriv');
const SCRIPT = found('/usr/bin/script', '/bin/script');
/** What something that it has started and that holds its pipes still prints is not waited for longer. */
const QUIET_MS = 500;

/** `script` makes a terminal when it has started. */
const TERMINAL_EVERY_MS = 20;
const TERMINAL_TRIES = 50;

/** Whether a terminal can be given here; util-linux's `script` makes it. */
export const hasTerminals = SCRIPT !== undefined;

export const noTerminals = (): Error =>
  new PlatformError(
    'POD_NOT_REACHED',
    'a terminal (-t) needs script, of util-linux, on this machine; do without -t',
    { retryable: false },
  );

/** A command that somebody runs beside a container: where, as whom and with what that runs, and no longer than that. */
export class ExecProcess implements Command {
  /** Resolves with its exit code, of one that a signal ended 128 and that; never rejects. */
  readonly ended: Promise<number>;
  readonly #process: ChildProcess;
  readonly #hasTerminal: boolean;
  readonly stdout: Readable;
  /** With a terminal all is told on `stdout`. */
  readonly stderr: Readable | undefined;
  #isOver = false;
  #size: readonly [number, number] | undefined; // wanted, and not yet set

  private constructor(process: ChildProcess, hasTerminal: boolean) {
    this.#process = process;
    this.#hasTerminal = hasTerminal;
    this.stdout = kept(piped(process.stdout));
    const stderr = kept(piped(process.stderr));
    this.stderr = hasTerminal ? undefined : stderr;
    if (hasTerminal) stderr.resume();
    this.ended = this.#untilEnded();
  }

  /** Undefined: the container does not run now. */
  static start(
    run: ContainerRun,
    command: readonly string[],
    { hasTerminal, token }: { readonly hasTerminal: boolean; readonly token: string },
  ): ExecProcess | undefined {
    const guard = SETPRIV === undefined ? [] : [SETPRIV, '--pdeathsig', 'KILL', '--'];
    const beside = run.beside([...guard, ...(hasTerminal ? inTerminal(command) : command)]);
    if (beside === undefined) return undefined;
    const { file, args, cwd, env, onSpawn, ended } = beside;
    const terminal = hasTerminal ? { TERM: 'xterm', SHELL: '/bin/sh' } : {};
    const options = { cwd, env: { ...env, ...terminal, [RUN_TOKEN]: token }, detached: true };
    const process = spawn(file, [...args], { ...options, stdio: 'pipe' });
    const exec = new ExecProcess(process, hasTerminal);
    if (process.pid !== undefined) onSpawn(process.pid);
    void ended.then(() => exec.kill());
    return exec;
  }

  /** Of it and of its group; undefined: it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get stdin(): Writable {
    return piped(this.#process.stdin);
  }

  /** Ends it and what it has started. */
  readonly kill = (): void => {
    const { pid } = this.#process;
    if (pid === undefined || this.#isOver) return;
    for (const each of [...descendantsOf(pid), -pid]) attempt(() => process.kill(each, 'SIGKILL'));
  };

  /** `script` passes no size on; it is set on the terminal that it makes, and who runs there is told by the kernel. */
  readonly resize = (columns: number, rows: number): void => {
    const isSize = [columns, rows].every((n) => Number.isInteger(n) && n > 0 && n < 65_536);
    const isSetting = this.#size !== undefined;
    if (isSize && this.#hasTerminal) this.#size = [columns, rows];
    if (!isSetting) this.#setSize(TERMINAL_TRIES);
  };

  #setSize(triesLeft: number): void {
    if (this.#size === undefined || this.#isOver) return;
    const terminal = this.#terminal;
    const [columns, rows] = this.#size;
    if (terminal === undefined && triesLeft > 0) {
      setTimeout(() => this.#setSize(triesLeft - 1), TERMINAL_EVERY_MS);
      return;
    }
    this.#size = undefined;
    if (terminal === undefined) return;
    const stty = spawn('stty', ['-F', terminal, 'cols', `${columns}`, 'rows', `${rows}`], {
      stdio: 'ignore',
    });
    stty.on('error', () => undefined); // it is not there: the size stays
  }

  get #terminal(): string | undefined {
    const inside = descendantsOf(this.#process.pid ?? 0);
    const ends = inside.flatMap((pid) => attempt(() => readlinkSync(`/proc/${pid}/fd/0`)) ?? []);
    return ends.find((path) => /^\/dev\/pts\/\d+$/.test(path));
  }

  #untilEnded(): Promise<number> {
    return new Promise((resolve) => {
      this.#process.once('error', () => resolve(127)); // as a shell tells of what it cannot start
      this.#process.once('exit', (code, signal) => {
        this.kill(); // what it has forked goes with it
        this.#isOver = true;
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
        this.#closeQuiet();
      });
    });
  }

  /** A pipe that something which has gone its own way holds open is closed once nothing more comes. */
  #closeQuiet(): void {
    const { stdout, stderr } = this.#process;
    const timer = setInterval(() => {
      const open = [stdout, stderr].filter((each) => each !== null && !each.closed);
      if (open.length === 0) clearInterval(timer);
      for (const each of open) if (each?.readableLength === 0) each.destroy();
    }, QUIET_MS);
    timer.unref();
  }
}

function inTerminal(command: readonly string[]): readonly string[] {
  const words = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  return [
    SCRIPT ?? 'script',
    '--quiet',
    '--return',
    '--flush',
    '--command',
    `exec ${words.join(' ')}`,
    '/dev/null',
  ];
}

/** The numbers of the processes that it and its children have started. */
function descendantsOf(pid: number): readonly number[] {
  const parents = new Map(processes().map((each) => [each, parentOf(each)]));
  const all = [pid];
  for (const each of all)
    for (const [child, parent] of parents) if (parent === each && !all.includes(child)) all.push(child);
  return all.slice(1);
}

function parentOf(pid: number): number {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? '';
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]); // state, parent
}

/** Processes come and go while they are looked at. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

/** Node throws away what nobody reads of a process that has ended; here it waits for its reader. */
function kept(output: Readable): Readable {
  const waiting = new PassThrough();
  output.once('close', () => waiting.end());
  return output.pipe(waiting, { end: false });
}

function piped<T>(stream: T | null): T {
  if (stream === null) throw new Error('a command has pipes'); // spawned so
  return stream;
}
