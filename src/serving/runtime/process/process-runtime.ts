import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, PlatformError } from '../../../base/errors.ts';
import type { ContainerSpec } from '../container-spec.ts';
import { mainContainer, type Instance, type InstanceSpec, type Runtime, type Unmet } from '../runtime.ts';
import type { Child } from './child.ts';
import { endLeftOvers } from './left-overs.ts';
import type { LogSink } from './output.ts';
import { filesIn } from './files-in.ts';
import { nativeUrl } from './native-url.ts';
import { freePort } from './ports.ts';
import { ProcessTable } from './process-table.ts';
import { startProgram, workingDirOf } from './program.ts';
import { RunnerChild } from './runner-child.ts';
import type { HostRoute, ToRunner } from './runner-protocol.ts';
import { Warden } from './warden.ts';

export type ProcessRuntimeOptions = {
  /** Holds the token of this run, so that the next can end what it left. */
  readonly folder: string;
  /** How many runners wait, empty and warm. */
  readonly warm: number;
  readonly logs: LogSink;
  /** Asked at each start: which names our own listeners answer for. */
  readonly routes: () => readonly HostRoute[];
};

/** The pool is refilled this long after a function became ready, so that it does not compete with the answer (X2). */
const REFILL_AFTER_MS = 40;
/** A runner that ended by itself while it waited is not replaced in a hurry. */
const REPLACE_AFTER_MS = 1000;
const COMPILED = 'compiled';
const COMPILED_BYTES_MAX = 256 * 1024 * 1024;
const CHECK_TIMEOUT_MS = 10_000;

/** Starts instances as processes of this machine: Node functions in warm runners, anything else by spawn. */
export class ProcessRuntime implements Runtime {
  readonly #options: ProcessRuntimeOptions;
  readonly #token = randomUUID();
  readonly #children = new Set<Child>();
  readonly #warden = new Warden();
  readonly #table = new ProcessTable();
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
    boundFolder(join(options.folder, COMPILED), COMPILED_BYTES_MAX);
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

  async start(spec: InstanceSpec, id: string): Promise<Instance> {
    const main = mainContainer(spec);
    const { launch } = main;
    return launch.kind === 'function'
      ? this.#startFunction(spec, main, launch.entry, id)
      : this.#startProgram(spec, main, launch.command, id);
  }

  unmet(): readonly Unmet[] {
    return [];
  }

  /** Loads a function once in a runner of its own; says why it cannot be used, or undefined when it can. */
  async check(directory: string, entry: string): Promise<string | undefined> {
    const load = {
      entry: join(directory, entry),
      workingDir: directory,
      env: {},
      routes: [],
      isTrial: true,
    };
    try {
      const { runner } = await this.#handOver(load, CHECK_TIMEOUT_MS, () => undefined);
      await runner.child.stop(0);
      return undefined;
    } catch (error) {
      return messageOf(error).replace(/^the function cannot be loaded: /, '');
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#refill);
    await Promise.all([...this.#children].map((child) => child.stop(0)));
    this.#warden.close();
  }

  async #startFunction(
    spec: InstanceSpec,
    main: ContainerSpec,
    entry: string,
    id: string,
  ): Promise<Instance> {
    const load = {
      entry: join(main.directory, entry),
      workingDir: workingDirOf(main),
      env: { ...main.env, ...runtimeContract(spec) },
      routes: this.#options.routes(),
      isTrial: false,
    };
    const { runner, port, times } = await this.#handOver(load, spec.readyTimeoutMs, ({ child }) =>
      this.#tell(child, spec, id),
    );
    return this.#instance(id, runner.child, port, times);
  }

  /** Hands a function to a warm runner; one that dies before it begins was ill before, and another gets it, once. */
  async #handOver(
    load: Omit<ToRunner, 'kind'>,
    readyTimeoutMs: number,
    onTaken: (runner: RunnerChild) => void,
    isSecond = false,
  ): Promise<{ runner: RunnerChild; port: number; times: { startedMs: number; readyMs: number } }> {
    const runner = this.#take();
    onTaken(runner);
    try {
      const port = await runner.warm;
      const env = { ...load.env, ...portContract(port) };
      return { runner, port, times: await runner.load({ ...load, env }, readyTimeoutMs) };
    } catch (error) {
      const wasIll = runner.child.isGone && !runner.hasBegun;
      await runner.child.stop(0); // R2
      if (!wasIll || isSecond || this.#isClosed) throw error;
      return await this.#handOver(load, readyTimeoutMs, onTaken, true);
    } finally {
      this.#fillIn(REFILL_AFTER_MS);
    }
  }

  async #startProgram(
    spec: InstanceSpec,
    main: ContainerSpec,
    command: readonly string[],
    id: string,
  ): Promise<Instance> {
    const port = await freePort();
    if (this.#isClosed) throw closed();
    const env = { ...this.#reachable(main.env), ...runtimeContract(spec), ...portContract(port) };
    const child = await startProgram(
      { ...main, env },
      command,
      port,
      spec.readyTimeoutMs,
      this.#token,
      (spawned) => {
        this.#keep(spawned);
        this.#tell(spawned, spec, id);
      },
    );
    return this.#instance(id, child, port, { startedMs: child.startedMs, readyMs: Date.now() });
  }

  #instance(
    id: string,
    child: Child,
    port: number,
    times: { readonly startedMs: number; readonly readyMs: number },
  ): Instance {
    return {
      id,
      pid: child.pid,
      port,
      ...times,
      ended: child.ended,
      refresh: () => undefined,
      stop: (graceMs) => child.stop(graceMs),
      usage: () => this.#table.usageOf(child.pid),
    };
  }

  /** A program that is no function resolves none of our names (contract: Listeners). */
  #reachable(env: ContainerSpec['env']): ContainerSpec['env'] {
    const { K_SINK } = env;
    return K_SINK === undefined ? env : { ...env, K_SINK: nativeUrl(K_SINK, this.#options.routes()) };
  }

  #tell(child: Child, { namespace, revision }: InstanceSpec, id: string): void {
    this.#options.logs.begin?.(id, { namespace, revision });
    child.sendTo(this.#options.logs, id);
  }

  #take(): RunnerChild {
    if (this.#isClosed) throw closed();
    let runner = this.#warm.shift();
    while (runner?.child.isGone === true) runner = this.#warm.shift();
    return runner ?? this.#startRunner();
  }

  #fillIn(afterMs: number): void {
    this.#refill ??= setTimeout(() => this.#fill(), afterMs);
  }

  #fill(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed) return;
    this.#warm = this.#warm.filter(({ child }) => !child.isGone);
    while (this.#warm.length < this.#options.warm) this.#warm.push(this.#startRunner());
  }

  #startRunner(): RunnerChild {
    const { folder } = this.#options;
    const runner = new RunnerChild(this.#token, folder, join(folder, COMPILED));
    this.#keep(runner.child);
    void runner.child.ended.then(() => {
      if (this.#warm.includes(runner)) this.#fillIn(REPLACE_AFTER_MS);
    });
    return runner;
  }

  #keep(child: Child): void {
    const group = child.pid;
    this.#children.add(child);
    if (group > 0) this.#warden.watch(group);
    void child.ended.then(() => {
      this.#children.delete(child);
      if (group > 0) this.#warden.forget(group);
    });
  }
}

/** Empties a folder whose files are only a saving of time, once they are too much. */
function boundFolder(folder: string, bytesMax: number): void {
  const bytes = filesIn(folder).reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > bytesMax) rmSync(folder, { recursive: true, force: true });
}

/** knative specs, runtime-contract.md. */
function runtimeContract({ service, revision, configuration }: InstanceSpec): Record<string, string> {
  if (service === undefined) return {};
  return { K_SERVICE: service, K_REVISION: revision, K_CONFIGURATION: configuration ?? service };
}

/** PORT is the contract; the other two are what the runtimes of Knative Functions read. */
function portContract(port: number): Record<string, string> {
  return { PORT: String(port), FUNC_PORT: String(port), LISTEN_ADDRESS: `127.0.0.1:${port}` };
}

function closed(): PlatformError {
  return new PlatformError('RUNTIME_CLOSED', 'the platform stops and starts no instance any more', {
    retryable: false,
  });
}
