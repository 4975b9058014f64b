import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** A platform in a process of its own, on one folder and one port, that can be killed and started again. */
export class KillablePlatform {
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(folder: string, port: number, subscriberUrl: string) {
    this.#args = [join(import.meta.dirname, 'platform-child.ts'), folder, String(port), subscriberUrl];
  }

  /** Starts it; resolves with the milliseconds until it was ready, rejects when it ends before by itself. */
  start(): Promise<number> {
    const startedMs = performance.now();
    const child = spawn(process.execPath, this.#args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve(performance.now() - startedMs));
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
