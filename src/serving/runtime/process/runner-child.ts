import { PlatformError } from '../../../base/errors.ts';
import { Child } from './child.ts';
import type { FromRunner, HostRoute, ToRunner } from './runner-protocol.ts';

const MAIN = import.meta.url.endsWith('.ts')
  ? new URL('./runner/main.ts', import.meta.url)
  : new URL('./runner/main.js', import.meta.url);

/** A runner is warm within this, or is given up: it imports nothing of a user's. */
const WARM_TIMEOUT_MS = 20_000;

export type Handover = {
  readonly directory: string;
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  readonly routes: readonly HostRoute[];
  readonly readyTimeoutMs: number;
};

/** One runner process, from its start to the end of the function that it was handed. */
export class RunnerChild {
  readonly child: Child;
  /** Resolves with its port once it is warm. */
  readonly warm: Promise<number>;
  #hear: (message: FromRunner) => void = () => undefined;

  constructor(token: string, cwd: string) {
    const node: [string, ...string[]] = [process.execPath, '--no-warnings', MAIN.pathname];
    this.child = new Child({ command: node, env: {}, cwd, hasIpc: true, token });
    this.child.process.on('message', (message: FromRunner) => this.#hear(message));
    this.warm = this.#next(
      (message) => (message.kind === 'idle' ? message.port : undefined),
      WARM_TIMEOUT_MS,
    );
    this.warm.catch(() => undefined); // whoever takes it from the pool is told
  }

  /** Hands it a function; resolves with the two times once that is ready (X4), or rejects saying what the function threw. */
  async load({ readyTimeoutMs, ...load }: Handover): Promise<{ startedMs: number; readyMs: number }> {
    let startedMs = Date.now();
    const ready = this.#next((message) => {
      if (message.kind === 'started') startedMs = Date.now();
      if (message.kind === 'invalid')
        throw failed('FunctionInvalid', `the function cannot be loaded: ${message.reason}`);
      return message.kind === 'ready' ? Date.now() : undefined;
    }, readyTimeoutMs);
    this.child.process.send({ kind: 'load', ...load } satisfies ToRunner);
    return { readyMs: await ready, startedMs };
  }

  #next<T>(read: (message: FromRunner) => T | undefined, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(failed('DeadlineExceeded', `not ready within ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#hear = (message) => {
        try {
          const value = read(message);
          if (value !== undefined) resolve(value);
        } catch (error) {
          reject(error as Error); // thrown by `read`, above
        }
      };
      void this.child.ended.then(({ exitCode, reason }) =>
        reject(failed(`ExitCode${exitCode ?? 0}`, reason)),
      );
      this.child.process.once('exit', () => clearTimeout(timer));
    });
  }
}

export function failed(code: string, message: string): PlatformError {
  return new PlatformError(code, message, { retryable: true });
}
