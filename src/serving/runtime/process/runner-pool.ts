import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { Child } from './child.ts';
import { NO_WAKES, poolSize, withWake, type PoolBounds } from './pool-size.ts';
import { Priority } from './priority.ts';
import { RunnerChild, type RunnerStart, type RunnerTimes } from './runner-child.ts';
import type { ToRunner } from './runner-protocol.ts';
import { Turns } from './turns.ts';

export type RunnerPoolOptions = {
  readonly folder: string;
  readonly token: string;
  /** How many runners wait, empty and warm, at least and at most. */
  readonly bounds: PoolBounds;
  readonly onSpawn: (child: Child) => void;
  readonly nowMs?: () => number;
};

/** A runner that has been handed a function, and its times: milliseconds since the epoch. */
export type HandedOver = {
  readonly runner: RunnerChild;
  readonly port: number;
  readonly times: RunnerTimes;
  /** It had waited for it. */
  readonly isFromPool: boolean;
};

/** What a function is handed over with; the variables of its port are added. */
export type Load = Omit<ToRunner, 'kind'>;
/** What makes a runner one that is started for its function: none that waits has it. */
export type Apart = Pick<RunnerStart, 'wrapper' | 'own'> & { readonly cwd?: string };

/** The pool is refilled this long after a function became ready, so that it does not compete with the answer (X2). */
const REFILL_AFTER_MS = 40;
/** Starts that are under way hold the refill up no longer than this. */
const REFILL_WITHIN_MS = 1000;
/** A runner that ended by itself while it waited is not replaced in a hurry. */
const REPLACE_AFTER_MS = 1000;
/** So often a pool above its minimum is asked whether it is still needed. */
const SHRINK_EVERY_MS = 10_000;
const STARTS_PER_CORE = 4;
/** What runners have compiled, for one another. */
export const COMPILED = 'compiled';

/**
 * Runners that wait, warm, to be handed a function.
 *   W1  a runner is used by one instance, once: what a function breaks in its process, no other meets.
 *   W2  a start never waits for the pool: where none is warm, it takes the one that will be soonest, or a new one.
 *   W3  the pool fills and shrinks by recent wakes (pool-size.ts), after they were answered, at a low priority where that
 *       is allowed, and as many at a time as there are cores.
 *   W4  no more than a few processes for each core start at a time for functions that wait; more would hold one another up
 *       until none is warm in its time. The first are up while the last wait for their turn.
 */
export class RunnerPool {
  readonly #options: RunnerPoolOptions;
  readonly #priority = new Priority();
  readonly #turns = new Turns(STARTS_PER_CORE * availableParallelism());
  #waiting: RunnerChild[] = [];
  #wakes = NO_WAKES;
  /** Starts under way, and when the first of them began. */
  #starts = 0;
  #startsSinceMs = 0;
  /** Before the first start, nobody is answered whom a warming runner could hold up. */
  #hasServed = false;
  #refill: NodeJS.Timeout | undefined;
  #shrink: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RunnerPoolOptions) {
    this.#options = options;
  }

  /** How many are to wait now. */
  get size(): number {
    return poolSize(this.#wakes, this.#nowMs(), this.#options.bounds);
  }

  /** How many wait, warm or on their way. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when the pool is full, and all of it warm. */
  async warmedUp(): Promise<void> {
    do {
      this.fill();
      await Promise.all(this.#waiting.map((runner) => runner.warm));
    } while (!this.#isClosed && this.#waiting.filter(({ isWarm }) => isWarm).length < this.size);
  }

  /**
   * Hands a function to a warm runner; one that dies before it begins was ill before, and another gets it, once. `apart`:
   * to one that is started for it.
   */
  async handOver(
    load: Load,
    readyTimeoutMs: number,
    onTaken: (child: Child) => void,
    apart?: Apart,
  ): Promise<HandedOver> {
    if (this.#starts === 0) this.#startsSinceMs = this.#nowMs();
    this.#starts += 1;
    this.#hasServed = true;
    try {
      return await this.#handOver(load, readyTimeoutMs, onTaken, apart);
    } finally {
      this.#starts -= 1;
      this.#fillIn(REFILL_AFTER_MS);
    }
  }

  /** Starts those that lack, as many at a time as there are cores, and ends those that are too many. */
  fill(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed) return;
    const { size } = this;
    this.#waiting = this.#waiting.filter(({ child }) => !child.isGone);
    for (const runner of this.#waiting.splice(size)) void runner.child.stop(0);
    let warming = this.#waiting.filter(({ isWarm }) => !isWarm).length;
    for (; this.#waiting.length < size && warming < availableParallelism(); warming += 1)
      this.#waiting.push(this.#startWaiting());
    if (size > this.#options.bounds.min)
      this.#shrink ??= setTimeout(() => {
        this.#shrink = undefined;
        this.fill();
      }, SHRINK_EVERY_MS).unref();
  }

  /** Starts none any more; whoever keeps the children ends them. */
  close(): void {
    this.#isClosed = true;
    this.#turns.open();
    clearTimeout(this.#refill);
    clearTimeout(this.#shrink);
  }

  async #handOver(
    load: Load,
    readyTimeoutMs: number,
    onTaken: (child: Child) => void,
    apart: Apart | undefined,
    isSecond = false,
  ): Promise<HandedOver> {
    const runner =
      (apart === undefined ? this.#take(load.isTrial) : undefined) ?? (await this.#startInTurn(apart));
    const isFromPool = runner.isWarm;
    onTaken(runner.child);
    try {
      const port = await runner.warm;
      const env = { ...load.env, ...portContract(port) };
      return { runner, port, times: await runner.load({ ...load, env }, readyTimeoutMs), isFromPool };
    } catch (error) {
      const wasIll = apart === undefined && runner.child.isGone && !runner.hasBegun;
      await runner.child.stop(0); // R2
      if (!wasIll || isSecond || this.#isClosed) throw error;
      return await this.#handOver(load, readyTimeoutMs, onTaken, apart, true);
    }
  }

  /** W2; what `push` tries is no wake. Undefined: none waits. */
  #take(isTrial: boolean): RunnerChild | undefined {
    if (!isTrial) this.#wakes = withWake(this.#wakes, this.#nowMs(), this.#options.bounds);
    return this.#takeWaiting();
  }

  #takeWaiting(): RunnerChild | undefined {
    this.#waiting = this.#waiting.filter(({ child }) => !child.isGone);
    const index = Math.max(
      0,
      this.#waiting.findIndex(({ isWarm }) => isWarm),
    );
    const [runner] = this.#waiting.splice(index, 1); // W1
    if (runner?.isWarm === false) this.#priority.restore(runner.child.pid);
    return runner;
  }

  /** W4; one of the pool may have become warm meanwhile. */
  async #startInTurn(apart: Apart | undefined): Promise<RunnerChild> {
    const giveBack = await this.#turns.take();
    try {
      const runner =
        (apart === undefined ? this.#takeWaiting() : undefined) ?? this.#start({ isWanted: true, ...apart });
      runner.warm.then(giveBack, giveBack);
      return runner;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  #fillIn(afterMs: number): void {
    if (this.#isClosed) return;
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      const isBusy = this.#starts > 0 && this.#nowMs() - this.#startsSinceMs < REFILL_WITHIN_MS;
      if (isBusy) this.#fillIn(REFILL_AFTER_MS);
      else this.fill();
    }, afterMs);
  }

  #startWaiting(): RunnerChild {
    const runner = this.#start({ isWanted: false });
    if (this.#hasServed) this.#priority.lower(runner.child.pid);
    const isWaiting = (): boolean => this.#waiting.includes(runner);
    runner.warm.then(
      () => {
        if (!isWaiting()) return; // it was taken, and has its priority
        this.#priority.restore(runner.child.pid);
        this.fill();
      },
      () => undefined,
    );
    void runner.child.ended.then(() => {
      if (isWaiting()) this.#fillIn(REPLACE_AFTER_MS);
    });
    return runner;
  }

  #start(start: Apart & Pick<RunnerStart, 'isWanted'>): RunnerChild {
    if (this.#isClosed) throw closed();
    const { folder, token, onSpawn } = this.#options;
    const runner = new RunnerChild({ token, cwd: folder, compiled: join(folder, COMPILED), ...start });
    onSpawn(runner.child);
    return runner;
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? Date.now)();
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
