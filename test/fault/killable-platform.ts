import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** How long a start took since its process began, and how long without the time that other processes had the cores. */
export type Ready = { readonly upMs: number; readonly ownMs: number };

/** A platform in a process of its own, on one folder and one port, that can be killed and started again. */
export class KillablePlatform {
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(folder: string, port: number, subscriberUrl: string) {
    this.#args = [join(import.meta.dirname, 'platform-child.ts'), folder, String(port), subscriberUrl];
  }

  /** Starts it; resolves once it is ready, rejects when it ends before by itself. */
  start(): Promise<Ready> {
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.stdout.once('data', (line: Buffer) => resolve(readyFrom(line.toString())));
      child.once('exit', (code, signal) => {
        if (signal === null) reject(new Error(`the platform exited with ${code}`));
      });
    });
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

function readyFrom(line: string): Ready {
  const { upMs, waitedMs } = JSON.parse(line) as { upMs: number; waitedMs: number }; // platform-child.ts prints it
  return { upMs, ownMs: upMs - waitedMs };
}
