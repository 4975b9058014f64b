import { fileURLToPath } from 'node:url';
import { Child, failed, failedBy } from './child.ts';
import { WANTED, type FromRunner, type ToRunner } from './runner-protocol.ts';

/** What a runner is started from. */
export const RUNNER_MAIN = import.meta.url.endsWith('.ts')
  ? new URL('./runner/main.ts', import.meta.url)
  : new URL('./runner/main.js', import.meta.url);

/** A runner is warm within this, or is given up: it imports nothing of a user's. */
const WARM_TIMEOUT_MS = 20_000;

export type RunnerStart = {
  readonly token: string;
  readonly cwd: string;
  /** The folder in which runners keep what they have compiled for one another. */
  readonly compiled: string;
  /** Somebody waits for it: it does no more than it has to before it takes its function. */
  readonly isWanted: boolean;
  readonly wrapper?: readonly string[];
  /** What acts only at a process's start: arguments of Node, and variables. */
  readonly own?: { readonly nodeArgs: readonly string[]; readonly env: Readonly<Record<string, string>> };
};

/** Milliseconds since the epoch: it had the function, had imported it, and was ready. */
export type RunnerTimes = {
  readonly startedMs: number;
  readonly loadedMs: number;
  readonly readyMs: number;
};

/** One runner process, from its start to the end of the function that it was handed. */
export class RunnerChild {
  readonly child: Child;
  /** Resolves with its port once it is warm. */
  readonly warm: Promise<number>;
  #isWarm = false;
  #hasBegun = false;
  #hear: (message: FromRunner) => void = () => undefined;

  constructor({ token, cwd, compiled, isWanted, wrapper = [], own }: RunnerStart) {
    const { nodeArgs = [], env = {} } = own ?? {};
    const args = [...nodeArgs, '--no-warnings', fileURLToPath(RUNNER_MAIN), ...(isWanted ? [WANTED] : [])];
    this.child = new Child({
      command: [process.execPath, ...args],
      env: { NODE_COMPILE_CACHE: compiled, ...env },
      cwd,
      hasIpc: true,
      token,
      wrapper,
    });
    this.child.process.on('message', (message: FromRunner) => this.#hear(message));
    this.warm = this.#next(
      (message) => (message.kind === 'idle' ? message.port : undefined),
      WARM_TIMEOUT_MS,
      'the runner is not warm',
    );
    this.warm.then(
      () => (this.#isWarm = true),
      () => undefined, // whoever takes it from the pool is told
    );
  }

  /** Whether it waits for nothing but its function. */
  get isWarm(): boolean {
    return this.#isWarm && !this.child.isGone;
  }

  /** Whether it has begun to import what it was handed. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Hands it a function; resolves with the two times once that is ready (X4), or rejects saying what the function threw. */
  async load(load: Omit<ToRunner, 'kind'>, readyTimeoutMs: number): Promise<RunnerTimes> {
    let startedMs = Date.now();
    let loadedMs = startedMs;
    const ready = this.#next(
      (message) => {
        if (message.kind === 'started') {
          this.#hasBegun = true;
          startedMs = Date.now();
        }
        if (message.kind === 'invalid')
          return failed('FunctionInvalid', `the function cannot be loaded: ${message.reason}`);
        if (message.kind === 'ready') loadedMs = message.loadedMs;
        return message.kind === 'ready' ? Date.now() : undefined;
      },
      readyTimeoutMs,
      'the function is not ready: its import or its init() has not come to an end',
    );
    // When the channel is broken the process is at its end, and that is told.
    this.child.process.send({ kind: 'load', ...load } satisfies ToRunner, () => undefined);
    return { readyMs: await ready, startedMs, loadedMs };
  }

  /** Resolves with the first number that `read` makes of a message, rejects with the first error. */
  async #next(
    read: (message: FromRunner) => number | Error | undefined,
    timeoutMs: number,
    late: string,
  ): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const timer = setTimeout(
      () =>
        reject(failed('ProgressDeadlineExceeded', `${late} within ${timeoutMs} ms${this.child.output.said}`)),
      timeoutMs,
    );
    this.#hear = (message) => {
      const value = read(message);
      if (value instanceof Error) reject(value);
      else if (value !== undefined) resolve(value);
    };
    void this.child.ended.then((ended) => reject(failedBy(ended)));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#hear = () => undefined; // what a function may send is of no meaning here
    }
  }
}
