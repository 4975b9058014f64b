import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { Child } from './child.ts';
import { RunnerChild } from './runner-child.ts';
import type { ToRunner } from './runner-protocol.ts';

export type RunnerPoolOptions = {
  readonly folder: string;
  readonly token: string;
  /** How many runners wait, empty and warm. */
  readonly size: number;
  readonly onSpawn: (child: Child) => void;
};

/** A runner that has been handed a function, and its times: milliseconds since the epoch. */
export type HandedOver = {
  readonly runner: RunnerChild;
  readonly port: number;
  readonly times: { readonly startedMs: number; readonly readyMs: number };
};

/** What a function is handed over with; the variables of its port are added. */
export type Load = Omit<ToRunner, 'kind'>;

/** The pool is refilled this long after a function became ready, so that it does not compete with the answer (X2). */
const REFILL_AFTER_MS = 40;
/** A runner that ended by itself while it waited is not replaced in a hurry. */
const REPLACE_AFTER_MS = 1000;
/** What runners have compiled, for one another. */
export const COMPILED = 'compiled';

/** Runners that wait, warm, to be handed a function; each is used once. */
export class RunnerPool {
  readonly #options: RunnerPoolOptions;
  #warm: RunnerChild[] = [];
  #refill: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RunnerPoolOptions) {
    this.#options = options;
  }

  /** Resolves when the pool is full. */
  async warmedUp(): Promise<void> {
    this.fill();
    await Promise.all(this.#warm.map((runner) => runner.warm));
  }

  /**
   * Hands a function to a warm runner; one that dies before it begins was ill before, and another gets it, once. With a
   * `wrapper` it is a runner that is started for it.
   */
  async handOver(
    load: Load,
    readyTimeoutMs: number,
    onTaken: (child: Child) => void,
    wrapper: readonly string[] = [],
    isSecond = false,
  ): Promise<HandedOver> {
    const runner = wrapper.length > 0 ? this.#startRunner(wrapper) : this.#take();
    onTaken(runner.child);
    try {
      const port = await runner.warm;
      const env = { ...load.env, ...portContract(port) };
      return { runner, port, times: await runner.load({ ...load, env }, readyTimeoutMs) };
    } catch (error) {
      const wasIll = runner.child.isGone && !runner.hasBegun;
      await runner.child.stop(0); // R2
      if (!wasIll || isSecond || this.#isClosed) throw error;
      return await this.handOver(load, readyTimeoutMs, onTaken, wrapper, true);
    } finally {
      this.#fillIn(REFILL_AFTER_MS);
    }
  }

  fill(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed) return;
    this.#warm = this.#warm.filter(({ child }) => !child.isGone);
    while (this.#warm.length < this.#options.size) this.#warm.push(this.#startRunner());
  }

  /** Starts none any more; whoever keeps the children ends them. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#refill);
  }

  #take(): RunnerChild {
    if (this.#isClosed) throw closed();
    let runner = this.#warm.shift();
    while (runner?.child.isGone === true) runner = this.#warm.shift();
    return runner ?? this.#startRunner();
  }

  #fillIn(afterMs: number): void {
    this.#refill ??= setTimeout(() => this.fill(), afterMs);
  }

  #startRunner(wrapper: readonly string[] = []): RunnerChild {
    const { folder, token, onSpawn } = this.#options;
    const runner = new RunnerChild(token, folder, join(folder, COMPILED), wrapper);
    onSpawn(runner.child);
    void runner.child.ended.then(() => {
      if (this.#warm.includes(runner)) this.#fillIn(REPLACE_AFTER_MS);
    });
    return runner;
  }
}

/** PORT is the contract; the other two are what the runtimes of Knative Functions read. */
export function portContract(port: number): Record<string, string> {
  return { PORT: String(port), FUNC_PORT: String(port), LISTEN_ADDRESS: `127.0.0.1:${port}` };
}

export function closed(): PlatformError {
  return new PlatformError('RUNTIME_CLOSED', 'the platform stops and starts no instance any more', {
    retryable: false,
  });
}
