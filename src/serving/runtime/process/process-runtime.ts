import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../base/errors.ts';
import type { ContainerSpec } from '../container-spec.ts';
import type { Reach, Reached } from '../reach.ts';
import type { Instance, InstanceSpec, Runtime, TellStatus, Unmet } from '../runtime.ts';
import { mainContainer } from '../runtime.ts';
import { logNameOf, runtimeContract, withId } from '../shared/contract.ts';
import { opened } from '../shared/opened.ts';
import { Memory } from '../shared/remembered.ts';
import { Child, environment, failed } from './child.ts';
import { ClaimedPorts } from './claimed-ports.ts';
import type { Begun, ContainerRun, RunTools } from './container-run.ts';
import { ExecProcess, hasTerminals, noTerminals } from './exec.ts';
import { boundFolder } from './files-in.ts';
import { Cgroups, type Cgroup } from './isolation/cgroups.ts';
import { Namespaces, type View } from './isolation/namespaces.ts';
import { imageBinds } from './isolation/image-binds.ts';
import { Surroundings } from './isolation/surroundings.ts';
import { unmetOf } from './isolation/unmet.ts';
import { sweepMemory, type VolumeFolders } from './isolation/volume-folders.ts';
import { endLeftOvers } from './left-overs.ts';
import { FIRST, LocalInstance } from './local-instance.ts';
import { expanded } from '../../expand.ts';
import { nativeUrl } from './native-url.ts';
import type { LogSink } from './output.ts';
import { OutputPipes } from './output-pipes.ts';
import { apartFor } from './own-process.ts';
import { Placements, type Placement } from './network/placement.ts';
import { listeningPorts } from './ports.ts';
import type { PoolBounds } from './pool-size.ts';
import { ProcessTable } from './process-table.ts';
import { isProgram, startedAs, workingDirOf } from './program.ts';
import { RUNNER_MAIN } from './runner-child.ts';
import { closed, COMPILED, portContract, RunnerPool } from './runner-pool.ts';
import type { HostRoute } from './runner-protocol.ts';
import { Warden } from './warden.ts';

export type ProcessRuntimeOptions = {
  /** Holds the token of this run, so that the next can end what it left. */
  readonly folder: string;
  /** How many runners wait, empty and warm: always so many, or by recent wakes. */
  readonly warm: number | PoolBounds;
  readonly logs: LogSink;
  /** Asked at each start: which names our own listeners answer for. */
  readonly routes: () => readonly HostRoute[];
  /** Whether a name is one inside the cluster, now; absent: programs find none. */
  readonly isName?: (host: string) => boolean;
};

const COMPILED_BYTES_MAX = 256 * 1024 * 1024;
const CHECK_TIMEOUT_MS = 10_000;
/** Where a manifest names none (serving, the runtime contract). */
const USUAL_PORT = 8080;
/** What all containers of an instance have in common. */
type Home = {
  readonly spec: InstanceSpec;
  readonly id: string;
  readonly volumes: VolumeFolders | undefined;
  readonly placement: Placement;
};

/** Starts instances as processes of this machine: Node functions in warm runners, anything else by spawn. */
export class ProcessRuntime implements Runtime, Reach {
  readonly #options: ProcessRuntimeOptions;
  readonly #token = randomUUID();
  readonly #children = new Set<Child>();
  readonly #warden = new Warden();
  readonly #table = new ProcessTable();
  readonly #pool: RunnerPool;
  readonly #namespaces: Namespaces;
  readonly #placements: Placements;
  readonly #surroundings: Surroundings;
  readonly #pipes: OutputPipes;
  readonly #ports = new ClaimedPorts();
  readonly #cgroups = new Cgroups({ name: this.#token.slice(0, 8) });
  readonly #memory: Memory;
  readonly #instances = new Map<string, LocalInstance>();
  #isClosed = false;

  private constructor(options: ProcessRuntimeOptions, former: string) {
    const { folder, warm, isName, routes } = options;
    const bounds = typeof warm === 'number' ? { min: warm, max: warm } : warm;
    this.#options = options;
    this.#memory = new Memory((id) => join(folder, 'volumes', id), this.#token);
    this.#namespaces = new Namespaces(join(folder, 'mounts'));
    this.#pipes = new OutputPipes(join(folder, 'pipes'));
    const onSpawn = (child: Child): void => this.#keep(child);
    this.#pool = new RunnerPool({ folder, token: this.#token, bounds, onSpawn });
    const [token, file] = [this.#token, join(folder, 'resolv.conf')];
    const atEnd = (command: string): void => this.#warden.atEnd(command);
    this.#placements = new Placements({ token, former, isName, routes, file, onSpawn, atEnd });
    const resolvConf = (): Promise<string | undefined> => this.#placements.resolvConf();
    this.#surroundings = new Surroundings({ folder: join(folder, 'around'), token, onSpawn, resolvConf });
  }

  /** Ends what a former run left, and begins to warm runners; does not wait for them. */
  static open(options: ProcessRuntimeOptions): ProcessRuntime {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const file = join(options.folder, 'run-token');
    const former = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (former !== '') endLeftOvers(former);
    boundFolder(join(options.folder, COMPILED), COMPILED_BYTES_MAX);
    rmSync(join(options.folder, 'volumes'), { recursive: true, force: true });
    const runtime = new ProcessRuntime(options, former);
    writeFileSync(file, runtime.#token, { mode: 0o600 });
    sweepMemory(former);
    runtime.#cgroups.sweep(former.slice(0, 8));
    runtime.#pool.fill();
    return runtime;
  }

  /** Resolves when the pool is full. */
  warmedUp(): Promise<void> {
    return this.#pool.warmedUp();
  }

  /** Of what runs for instances, or waits for one. */
  get pids(): readonly number[] {
    return [...this.#children].flatMap((child) => (this.#surroundings.isHeldBy(child) ? [] : child.pid));
  }

  async start(spec: InstanceSpec, id: string, tell: TellStatus = () => undefined): Promise<Instance> {
    const refused = this.unmet(spec).find(({ kind }) => kind === 'refused');
    if (refused !== undefined) throw failed('ContainerCannotRun', refused.message);
    if (this.#placements.isOwn(spec)) return this.#startApart(spec, id, tell);
    const before = new Map(this.#memory.of(spec, id).past);
    return this.#placements.onHost(spec, (placement, of) => {
      const { past } = this.#memory.of(of, id);
      for (const name of past.keys()) past.set(name, before.get(name) ?? FIRST); // a move is no restart
      return placement === 'own' ? this.#startApart(of, id, tell) : this.#startIn(placement, of, id, tell);
    });
  }

  unmet(spec: InstanceSpec): readonly Unmet[] {
    const hasProgram = [...spec.containers, ...spec.initContainers].some(isProgram);
    if (hasProgram && !this.#isClosed) void this.#surroundings.pid(); // there when it starts
    return [...unmetOf(spec, this.#namespaces, this.#cgroups), ...this.#placements.unmet(spec)];
  }

  async #startApart(spec: InstanceSpec, id: string, tell: TellStatus): Promise<Instance> {
    if (this.#isClosed) throw closed();
    const placement = await this.#placements.own(spec, this.#options.routes());
    const { network } = placement;
    try {
      const instance = await this.#startIn(placement, spec, id, tell);
      void instance.ended.then(() => network.close());
      this.#placements.prepare();
      return instance;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  #startIn(placement: Placement, spec: InstanceSpec, id: string, tell: TellStatus): Promise<Instance> {
    const { past, volumes } = this.#memory.of(spec, id);
    return LocalInstance.start(spec, id, {
      past,
      volumes,
      tell,
      toolsFor: (container, current, onChange) =>
        this.#toolsFor(container, { spec: current, id, volumes, placement }, onChange),
      usageOf: (child) => this.#table.usageOf(child.pid),
      onBegin: (instance) => this.#instances.set(id, instance),
      onEnd: (isOver) => {
        this.#instances.delete(id);
        this.#memory.ended(id, isOver);
      },
    });
  }

  reach(id: string): Reached | undefined {
    const instance = this.#instances.get(id);
    if (instance === undefined) return undefined;
    return {
      spec: instance.spec,
      exec: async (container, command, hasTerminal) => {
        if (hasTerminal && !hasTerminals) throw noTerminals();
        const run = instance.runs.find(({ spec }) => spec.name === container);
        return run && this.#exec(run, command, hasTerminal);
      },
      open: async (port) => {
        const main = mainContainer(instance.spec);
        if (main.isServing && port === (main.containerPort ?? USUAL_PORT)) return opened(instance.port);
        const listening = instance.runs.flatMap(({ begun }) =>
          begun ? listeningPorts(begun.child.pid) : [],
        );
        if (!listening.includes(port)) return { listening };
        return opened((await instance.runs[0]?.portFor(port)) ?? port);
      },
    };
  }

  /** Runs a command beside a container; undefined: that does not run now. */
  #exec(run: ContainerRun, command: readonly string[], hasTerminal: boolean): ExecProcess | undefined {
    const process = ExecProcess.start(run, command, { hasTerminal, token: this.#token });
    const group = process?.pid;
    if (process === undefined || group === undefined) return process;
    this.#warden.watch(group);
    void process.ended.then(() => this.#warden.forget(group));
    return process;
  }

  /** Loads a function once in a runner of its own; says why it cannot be used, or undefined when it can. */
  async check(directory: string, entry: string): Promise<string | undefined> {
    const load = { entry: join(directory, entry), workingDir: directory, env: {}, routes: [], isTrial: true };
    try {
      const { runner } = await this.#pool.handOver(load, CHECK_TIMEOUT_MS, () => undefined);
      await runner.child.stop(0);
      return undefined;
    } catch (error) {
      return messageOf(error).replace(/^the function cannot be loaded: /, '');
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pool.close();
    this.#placements.close();
    await Promise.all([...this.#children].map((child) => child.stop(0)));
    this.#memory.close();
    this.#warden.close();
  }

  #toolsFor(container: ContainerSpec, home: Home, onChange: () => void): RunTools {
    const { spec, id, placement } = home;
    const isBounded = Object.values(container.limits).some((limit) => limit !== undefined);
    const cgroup = isBounded ? this.#cgroups.open(container.limits) : undefined;
    let around: number | undefined;
    const view = (): View => ({ ...this.#viewOf(container, home, cgroup), around });
    const own = { ...container, env: withId(container, id) };
    const envOf = (port: number): Record<string, string> => this.#envOf(own, home, port);
    return {
      begin: async (onTaken) => {
        const { launch } = container;
        if (isProgram(container)) around = await this.#surroundings.pid();
        const taken = (child: Child): void => {
          onTaken(child);
          this.#tell(child, spec, container, id);
        };
        return launch.kind === 'function'
          ? this.#beginFunction(own, launch.entry, home, view(), taken)
          : this.#beginProgram(container, launch.command ?? [], envOf, home, view(), taken);
      },
      cgroup,
      targetOf: ({ child, port, inner = port }) => ({
        port,
        ...(placement.kind === 'own' && { inside: placement.inside }),
        exec: (command) => {
          const cwd = workingDirOf(container);
          const entered = [...this.#netOf(home), ...this.#namespaces.enter(child.pid, view())];
          const [file = '', ...args] = [...entered, ...startedAs(command, container, view())];
          return {
            file,
            args,
            cwd: entered.length > 0 && view().binds.length > 0 ? '/' : cwd,
            env: { ...environment(), ...envOf(inner) },
          };
        },
      }),
      elsewhere: placement.elsewhere,
      ...(placement.kind === 'host' && { wants: placement.wants }),
      onChange,
    };
  }

  /** What to put before a command of an instance, so that it has the network of that. */
  #netOf({ placement }: Home, cwd?: string): readonly string[] {
    return placement.kind === 'own' ? placement.network.enter(cwd) : [];
  }

  #wrapperOf(home: Home, view: View): readonly string[] {
    const wrapped = this.#namespaces.wrap(view);
    return [...this.#netOf(home, wrapped.length > 0 ? undefined : view.cwd), ...wrapped];
  }

  async #beginFunction(
    container: ContainerSpec,
    entry: string,
    home: Home,
    view: View,
    onTaken: (child: Child) => void,
  ): Promise<Begun> {
    const { spec, placement } = home;
    const env = { ...container.env, ...runtimeContract(spec) };
    const load = {
      entry: join(container.directory, entry),
      workingDir: view.cwd,
      env,
      routes: placement.kind === 'own' ? placement.routes : this.#options.routes(),
      isTrial: false,
    };
    const apart = apartFor(container, view.cwd, this.#wrapperOf(home, view), env);
    const { runner, port, times, isFromPool } = await this.#pool.handOver(
      load,
      spec.readyTimeoutMs,
      onTaken,
      apart,
    );
    const { startedMs, loadedMs } = times;
    const begun = { child: runner.child, port, startedMs, loadedMs, isFromPool, isReady: true };
    if (placement.kind === 'host') return begun;
    return { ...begun, port: await placement.network.doorTo(port), inner: port };
  }

  async #beginProgram(
    container: ContainerSpec,
    command: readonly string[],
    envOf: (port: number) => Record<string, string>,
    home: Home,
    view: View,
    onTaken: (child: Child) => void,
  ): Promise<Begun> {
    const { placement } = home;
    const isMain = container.name === mainContainer(home.spec).name;
    const wanted = isMain ? container.containerPort : undefined;
    const inner = placement.kind === 'own' ? placement.port : await this.#ports.claim(wanted);
    const port = placement.kind === 'own' ? await placement.network.doorTo(inner) : inner;
    if (this.#isClosed) throw closed();
    const env = envOf(inner);
    const words = command.map((word) => expanded(word, env));
    const child = new Child({
      command: startedAs(words, container, view),
      env,
      cwd: view.cwd,
      hasIpc: false,
      pipes: this.#pipes,
      token: this.#token,
      wrapper: this.#wrapperOf(home, view),
    });
    this.#keep(child);
    // Nobody could reach it any more; so it ends, as a crash.
    if (placement.kind === 'own') void placement.network.ended.then(() => child.process.kill('SIGKILL'));
    else
      void child.ended.then(({ exitCode }) => placement.ended(child.output.tail, isMain && exitCode === 0));
    void child.ended.then(() => this.#ports.release(inner));
    onTaken(child);
    return { child, port, inner, startedMs: child.startedMs, isReady: false };
  }

  /** A program that is no function may resolve none of our names (contract: Listeners; inside-names.ts). */
  #envOf(container: ContainerSpec, { spec, placement }: Home, port: number): Record<string, string> {
    const { K_SINK } = container.env;
    const isOwn = placement.kind === 'own';
    const routes = isOwn ? placement.routes : this.#options.routes();
    return {
      ...(isOwn && placement.env),
      ...container.env,
      ...(K_SINK !== undefined && { K_SINK: nativeUrl(K_SINK, routes) }),
      ...runtimeContract(spec),
      ...(container.name === mainContainer(spec).name && portContract(port)),
    };
  }

  #viewOf(container: ContainerSpec, { spec, volumes }: Home, cgroup: Cgroup | undefined): View {
    const cwd = workingDirOf(container);
    const { memoryBytes, milliCpus } = container.limits;
    const isLimited = memoryBytes !== undefined || milliCpus !== undefined;
    const own = [...imageBinds(container), ...((isLimited && cgroup?.shown) || [])];
    const isSeen = own.length > 0 && isProgram(container) && this.#namespaces.way.kind !== 'none';
    return {
      binds: [...(volumes?.bindsOf(container, spec) ?? []), ...(isSeen ? own : [])],
      user: container.user,
      reach: () => [container.directory, ...(container.launch.kind === 'function' ? runnerFolders() : [])],
      cwd,
    };
  }

  #tell(child: Child, spec: InstanceSpec, container: ContainerSpec, id: string): void {
    const { namespace, revision } = spec;
    const log = logNameOf(spec, container, id);
    this.#options.logs.begin?.(log, { namespace, revision });
    child.sendTo(this.#options.logs, log);
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

/** What a runner is started from. */
const runnerFolders = (): readonly string[] => [
  dirname(process.execPath),
  dirname(fileURLToPath(RUNNER_MAIN)),
];
