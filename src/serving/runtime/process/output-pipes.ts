import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

/** What a process prints into, and where that is read. */
export type OutputPipe = {
  /** A file descriptor; to be closed here once the process has it. */
  readonly write: number;
  /** Ends when nobody holds the other end any more. */
  readonly read: Socket;
};

const MADE_AT_ONCE = 32;
const LOW = 8;

/**
 * Pipes of the kernel, made from named ones: those of node:child_process are sockets, and no program can open a socket by
 * the name /dev/stdout or /dev/stderr, as many do.
 */
export class OutputPipes {
  readonly #folder: string;
  #ready: readonly string[] = [];
  #made = 0;
  #isMaking = false;

  constructor(folder: string) {
    this.#folder = folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Undefined where the machine makes none; a socket does then. */
  take(): OutputPipe | undefined {
    if (this.#ready.length === 0) this.#makeNow();
    const [path, ...others] = this.#ready;
    this.#ready = others;
    if (others.length < LOW) this.#makeSoon();
    return path === undefined ? undefined : opened(path);
  }

  #names(): string[] {
    this.#made += MADE_AT_ONCE;
    return Array.from({ length: MADE_AT_ONCE }, (_, i) => join(this.#folder, String(this.#made - i)));
  }

  #makeNow(): void {
    const names = this.#names();
    try {
      execFileSync('mkfifo', ['-m', '0666', ...names], { stdio: 'ignore' });
      this.#ready = names;
    } catch {
      // no mkfifo here
    }
  }

  #makeSoon(): void {
    if (this.#isMaking) return;
    this.#isMaking = true;
    const names = this.#names();
    execFile('mkfifo', ['-m', '0666', ...names], (error) => {
      this.#isMaking = false;
      if (error === null) this.#ready = [...this.#ready, ...names];
    });
  }
}

/** Without a name from now on; each end is opened by itself, so that only ours does not wait. */
function opened(path: string): OutputPipe | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const write = openSync(path, constants.O_WRONLY);
    rmSync(path);
    return { write, read: new Socket({ fd, readable: true, writable: false }) };
  } catch {
    return undefined;
  }
}

/** Once a process has been given the writing ends. */
export function handedOver(pipes: readonly (OutputPipe | undefined)[]): void {
  for (const pipe of pipes) if (pipe !== undefined) closeSync(pipe.write);
}
