import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { Instance, InstanceSpec, Runtime } from '../runtime.ts';
import { endLeftOvers, type Child, type LogSink } from './child.ts';
import { freePort } from './ports.ts';
import { startProgram } from './program.ts';
import { RunnerChild } from './runner-child.ts';
import type { HostRoute } from './runner-protocol.ts';

export type ProcessRuntimeOptions = {
  /** Holds the token of this run, so that the next can end what it left. */
  readonly folder: string;
  /** How many runners wait, empty and warm. */
  readonly warm: number;
  readonly logs: LogSink;
  /** Asked at each start: which names our own listeners answer for. */
  readonly routes: () => readonly HostRoute[];
};

/** The pool is refilled this long after a runner was taken, so that it does not compete with the answer (X2). */
const REFILL_AFTER_MS = 40;
const CHECK_TIMEOUT_MS = 10_000;

/** Starts instances as processes of this machine: Node functions in warm runners, anything else by spawn. */
export class ProcessRuntime implements Runtime {
  readonly #options: ProcessRuntimeOptions;
  readonly #token = randomUUID();
  readonly #children = new Set<Child>();
  #warm: RunnerChild[] = [];
  #refill: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
  }

  /** Ends what a former run left, and begins to warm runners; does not wait for them. */
  static open(options: ProcessRuntimeOptions): ProcessRuntime {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const file = join(options.folder, 'run-token');
    if (existsSync(file)) endLeftOvers(readFileSync(file, 'utf8'));
    const runtime = new ProcessRuntime(options);
    writeFileSync(file, runtime.#token, { mode: 0o600 });
    runtime.#fill();
    return runtime;
  }

  /** Resolves when the pool is full. */
  async warmedUp(): Promise<void> {
    this.#fill();
    await Promise.all(this.#warm.map((runner) => runner.warm));
  }

  get pids(): readonly number[] {
    return [...this.#children].map((child) => child.pid);
  }

  start(spec: InstanceSpec, id: string): Promise<Instance> {
    const { launch } = spec;
    return launch.kind === 'function'
      ? this.#startFunction(spec, launch.entry, id)
      : this.#startProgram(spec, launch.command, id);
  }

  /** Loads a function once in a runner of its own; says why it cannot be used, or undefined when it can. */
  async check(directory: string, entry: string): Promise<string | undefined> {
    const runner = this.#take();
    try {
      await runner.warm;
      const handover = {
        directory,
        entry: join(directory, entry),
        env: {},
        routes: [],
        readyTimeoutMs: CHECK_TIMEOUT_MS,
      };
      await runner.load(handover);
      return undefined;
    } catch (error) {
      return messageOf(error).replace(/^the function cannot be loaded: /, '');
    } finally {
      await runner.child.stop(0);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#refill);
    await Promise.all([...this.#children].map((child) => child.stop(0)));
  }

  async #startFunction(spec: InstanceSpec, entry: string, id: string): Promise<Instance> {
    const runner = this.#take();
    runner.child.sendTo(this.#options.logs, id);
    try {
      const port = await runner.warm;
      const env = { ...spec.env, ...runtimeContract(spec), PORT: String(port) };
      const { directory, readyTimeoutMs } = spec;
      const path = join(directory, entry);
      const times = await runner.load({
        directory,
        entry: path,
        env,
        routes: this.#options.routes(),
        readyTimeoutMs,
      });
      return instance(id, runner.child, port, times);
    } catch (error) {
      await runner.child.stop(0); // R2
      throw error;
    }
  }

  async #startProgram(spec: InstanceSpec, command: readonly string[], id: string): Promise<Instance> {
    const [file = '', ...args] = command;
    const port = await freePort();
    const env = { ...spec.env, ...runtimeContract(spec) };
    const child = await startProgram({ ...spec, env }, [file, ...args], port, this.#token, (spawned) => {
      spawned.sendTo(this.#options.logs, id);
      this.#keep(spawned);
    });
    return instance(id, child, port, { startedMs: child.startedMs, readyMs: Date.now() });
  }

  #take(): RunnerChild {
    const runner = this.#warm.shift() ?? this.#startRunner();
    this.#refill ??= setTimeout(() => this.#fill(), REFILL_AFTER_MS);
    return runner;
  }

  #fill(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed) return;
    this.#warm = this.#warm.filter(
      ({ child }) => child.process.exitCode === null && child.process.signalCode === null,
    );
    while (this.#warm.length < this.#options.warm) this.#warm.push(this.#startRunner());
  }

  #startRunner(): RunnerChild {
    const runner = new RunnerChild(this.#token, this.#options.folder);
    this.#keep(runner.child);
    return runner;
  }

  #keep(child: Child): void {
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
  }
}

/** knative specs, runtime-contract.md. */
function runtimeContract({ service, revision, configuration }: InstanceSpec): Record<string, string> {
  return { K_SERVICE: service, K_REVISION: revision, K_CONFIGURATION: configuration };
}

function instance(
  id: string,
  child: Child,
  port: number,
  times: { startedMs: number; readyMs: number },
): Instance {
  return { id, pid: child.pid, port, ...times, ended: child.ended, stop: (graceMs) => child.stop(graceMs) };
}
