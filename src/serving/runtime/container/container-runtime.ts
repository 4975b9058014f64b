import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { expanded } from '../../expand.ts';
import type { ContainerSpec } from '../container-spec.ts';
import type { Reach, Reached } from '../reach.ts';
import {
  mainContainer,
  type Instance,
  type InstanceSpec,
  type Runtime,
  type TellStatus,
  type Unmet,
} from '../runtime.ts';
import { logNameOf, runtimeContract, withId } from '../shared/contract.ts';
import { opened } from '../shared/opened.ts';
import { Memory, type Remembered } from '../shared/remembered.ts';
import type { Usage } from '../usage.ts';
import { failed } from '../process/child.ts';
import type { RunTools } from '../process/container-run.ts';
import { LocalInstance } from '../process/local-instance.ts';
import { nativeUrl } from '../process/native-url.ts';
import type { LogSink } from '../process/output.ts';
import { freePort } from '../process/ports.ts';
import type { RunProcess } from '../process/run-process.ts';
import { closed } from '../process/runner-pool.ts';
import { Warden } from '../process/warden.ts';
import { staysOpen } from './accepts.ts';
import { createBody, OWNER, RUN, type EngineNetwork } from './create-body.ts';
import { createContainer } from './create-container.ts';
import { EngineContainer, removed } from './engine-container.ts';
import type { EngineImages } from './engine-images.ts';
import type { Engine } from './engine.ts';
import { rootFault, unmetOf } from './unmet.ts';
import { WaysIn } from './ways-in.ts';
import { WaysOut, type Found, type Inside } from './ways-out.ts';

export type ContainerRuntimeOptions = {
  readonly engine: Engine;
  /** Has an image again that somebody has removed. */
  readonly images?: Pick<EngineImages, 'again'> | undefined;
  /** Holds volumes; its path is also by what the containers of a former run are found. */
  /** What of the platform is to be reached from within containers; undefined: nothing. */
  readonly inside?: Inside | undefined;
  readonly folder: string;
  readonly logs: LogSink;
};

const DEFAULT_PORT = 8080;
const SWEEP_ROUNDS = 5;

/** What the containers of an instance have in common. */
type Home = Remembered & {
  readonly spec: InstanceSpec;
  readonly id: string;
  /** What PORT says. */
  readonly inner: number;
  /** The container whose network the others share. */
  readonly main: PromiseWithResolvers<EngineContainer>;
  /** Those that run, by name. */
  readonly running: Map<string, EngineContainer>;
};

/** Starts instances as containers of a Docker-compatible engine. */
export class ContainerRuntime implements Runtime, Reach {
  readonly #options: ContainerRuntimeOptions;
  readonly #token = randomUUID();
  readonly #containers = new Set<EngineContainer>();
  readonly #removals = new Set<Promise<void>>();
  readonly #warden = new Warden();
  readonly #waysIn: WaysIn;
  readonly #waysOut: WaysOut;
  readonly #memory: Memory;
  readonly #homes = new Map<string, Home>(); // of instances that run, or are on their way
  #sweep: Promise<void> | undefined;
  #count = 0;
  #isClosed = false;

  constructor(options: ContainerRuntimeOptions) {
    this.#options = options;
    this.#waysIn = new WaysIn(this.#token);
    const isOurs = (address: string): boolean =>
      [...this.#containers].some((container) => container.address === address);
    this.#waysOut = new WaysOut(options.engine, options.inside, isOurs);
    this.#memory = new Memory((id) => join(options.folder, 'container-volumes', id), this.#token);
  }

  /** Resolves once all containers are ready (R1); what a former run has left is ended before the first. */
  async start(spec: InstanceSpec, id: string, tell: TellStatus = () => undefined): Promise<Instance> {
    if (this.#isClosed) throw closed();
    const refused = this.unmet(spec).find(({ kind }) => kind === 'refused');
    if (refused !== undefined) throw failed('ContainerCannotRun', refused.message);
    await this.sweep();
    const main = Promise.withResolvers<EngineContainer>();
    main.promise.catch(() => undefined); // who waits for it is told
    const inner =
      spec.network === 'host' ? await freePort() : (mainContainer(spec).containerPort ?? DEFAULT_PORT);
    const remembered = this.#memory.of(spec, id);
    const home: Home = { ...remembered, spec, id, inner, main, running: new Map() };
    return LocalInstance.start(spec, id, {
      past: home.past,
      volumes: home.volumes,
      tell,
      toolsFor: (container, current, onChange) =>
        this.#toolsFor(container, { ...home, spec: current }, onChange),
      usageOf: (child) => this.#usageOf(child),
      onBegin: () => this.#homes.set(id, home),
      onEnd: (isOver) => {
        this.#homes.delete(id);
        this.#memory.ended(id, isOver);
      },
    });
  }

  reach(id: string): Reached | undefined {
    const home = this.#homes.get(id);
    if (home === undefined) return undefined;
    const { spec, running } = home;
    return {
      spec,
      exec: async (container, command, hasTerminal) => running.get(container)?.exec(command, hasTerminal),
      open: async (port) => {
        const main = running.get(mainContainer(spec).name);
        if (spec.network === 'host') return opened(port);
        return main === undefined ? { listening: [] } : this.#waysIn.open(main, port);
      },
    };
  }

  unmet(spec: InstanceSpec): readonly Unmet[] {
    return unmetOf(spec);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#containers].map((container) => container.stop(0)));
    await Promise.all(this.#removals);
    this.#waysIn.close();
    this.#waysOut.close();
    this.#memory.close();
    this.#warden.close();
    await this.#options.engine.close();
  }

  /** Ends the containers that former runs on this folder have left, once; throws EngineUnavailable. */
  sweep(): Promise<void> {
    this.#sweep ??= this.#endLeftOvers().catch((error: unknown) => {
      this.#sweep = undefined;
      throw error;
    });
    return this.#sweep;
  }

  async #endLeftOvers(): Promise<void> {
    const { engine, folder } = this.#options;
    const filters = encodeURIComponent(JSON.stringify({ label: [`${OWNER}=${folder}`] }));
    // One whose network others have goes after those.
    for (let rounds = SWEEP_ROUNDS; rounds > 0; rounds -= 1) {
      const { body } = await engine.ask('GET', `/containers/json?all=1&filters=${filters}`);
      const known = Array.isArray(body) ? (body as readonly Listed[]) : [];
      const left = known.filter(({ Labels = {} }) => Labels[RUN] !== this.#token);
      const gone = await Promise.all(left.map(({ Id }) => removed(engine, Id)));
      if (gone.every(Boolean)) return;
    }
  }

  #toolsFor(container: ContainerSpec, home: Home, onChange: () => void): RunTools {
    const isMain = container.name === mainContainer(home.spec).name;
    let current: EngineContainer | undefined;
    return {
      begin: async (onTaken) => {
        try {
          const begun = await this.#begin(container, home, isMain, onTaken);
          current = begun.child;
          return { ...begun, startedMs: begun.child.startedMs, isReady: false };
        } catch (error) {
          if (isMain) home.main.reject(error);
          throw error;
        }
      },
      // The engine has bounded it already.
      cgroup: {
        add: () => undefined,
        wasOutOfMemory: () => current?.wasOutOfMemory ?? false,
        remove: () => undefined,
      },
      targetOf: ({ port }) => ({
        port,
        inside: {
          accepts: async (inner, timeoutMs) => staysOpen(await this.#doorTo(home, inner, port), timeoutMs),
          doorTo: (inner) => this.#doorTo(home, inner, port),
        },
        run: async (command, timeoutMs) => current?.run(command, timeoutMs) ?? 'it does not run',
        exec: () => NO_EXEC,
      }),
      elsewhere: () => '',
      onChange,
    };
  }

  async #begin(
    container: ContainerSpec,
    home: Home,
    isMain: boolean,
    onTaken: (child: RunProcess) => void,
  ): Promise<{ readonly child: EngineContainer; readonly port: number; readonly inner: number }> {
    const { spec, id, volumes, inner } = home;
    const { engine, folder, images } = this.#options;
    const network = await networkOf(container, home, isMain);
    if (this.#isClosed) throw closed();
    await this.#waysOut.open();
    const own = withId(container, id);
    const found = spec.network === 'host' ? this.#onHost(own) : this.#waysOut.found(spec.namespace, own);
    const port = isMain ? { PORT: String(inner) } : {};
    const { K_SINK = own['K_SINK'], ...around } = found.env;
    const sink = K_SINK === undefined ? {} : { K_SINK };
    const env = { ...around, ...own, ...sink, ...runtimeContract(spec), ...port };
    const binds = volumes?.bindsOf(container, spec) ?? [];
    const labels = { [OWNER]: folder, [RUN]: this.#token };
    this.#count += 1;
    const name = `millrace-${id}-${container.name}-${this.#token.slice(0, 8)}-${this.#count}`;
    const token = this.#token;
    const body = createBody({
      container: withArguments(container, env),
      env,
      binds,
      network,
      labels,
      token,
      dns: found.dns,
    });
    const isBounded = container.limits.memoryBytes !== undefined;
    const fault = await rootFault(engine, container);
    if (fault !== undefined) throw failed('ContainerCannotRun', fault);
    const child = await createContainer(engine, images, { name, body, token, isBounded }, container.image);
    this.#keep(child, container, home);
    onTaken(child);
    this.#tell(child, spec, container, id);
    await child.start();
    this.#guard(child);
    await this.#waysOut.open();
    if (isMain) home.main.resolve(child);
    const leading = isMain || spec.initContainers.includes(container) ? child : await home.main.promise;
    return { child, port: leading.portOf(inner) ?? inner, inner };
  }

  /** It reaches what this machine reaches. */
  #onHost({ K_SINK }: Readonly<Record<string, string>>): Found {
    const routes = this.#options.inside?.routes() ?? [];
    return { env: K_SINK === undefined ? {} : { K_SINK: nativeUrl(K_SINK, routes) }, dns: undefined };
  }

  /** A port of this machine that leads to one of the instance; undefined: to the one in PORT. */
  async #doorTo({ spec, main }: Home, inner: number | undefined, port: number): Promise<number> {
    if (inner === undefined) return port;
    return spec.network === 'host' ? inner : ((await main.promise).portOf(inner) ?? inner);
  }

  async #usageOf(child: RunProcess): Promise<Usage | undefined> {
    if (!(child instanceof EngineContainer) || !this.#containers.has(child)) return undefined;
    const path = `/containers/${child.id}/stats?stream=false&one-shot=true`;
    const { status, body } = await this.#options.engine.ask('GET', path);
    if (status >= 300) return undefined;
    const { cpu_stats: cpu, memory_stats: memory } = body as Stats;
    const { usage = 0, stats } = memory ?? {};
    // What can be given back at once is not counted, as `docker stats` does: control groups of the first and second version.
    const spare = stats?.total_inactive_file ?? stats?.inactive_file ?? 0;
    const memoryBytes = Math.max(0, usage - spare);
    return { cpuSeconds: (cpu?.cpu_usage?.total_usage ?? 0) / 1e9, memoryBytes };
  }

  #tell(child: EngineContainer, spec: InstanceSpec, container: ContainerSpec, id: string): void {
    const { namespace, revision } = spec;
    const log = logNameOf(spec, container, id);
    this.#options.logs.begin?.(log, { namespace, revision });
    child.sendTo(this.#options.logs, log);
  }

  #keep(child: EngineContainer, { name }: ContainerSpec, { running }: Home): void {
    this.#containers.add(child);
    this.#removals.add(child.removal);
    void child.removal.then(() => this.#removals.delete(child.removal));
    running.set(name, child);
    void child.ended.then(() => {
      this.#containers.delete(child);
      if (running.get(name) === child) running.delete(name);
      return this.#waysIn.shut(child);
    });
  }

  /** R3: where its processes are this machine's, they end with a platform that is killed; elsewhere the next run ends them. */
  #guard(child: EngineContainer): void {
    const { pid, isHere } = child;
    if (!isHere) return;
    this.#warden.watch(pid);
    void child.ended.then(() => this.#warden.forget(pid));
  }
}

type Listed = { readonly Id: string; readonly Labels?: Readonly<Record<string, string>> };
type Stats = {
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: {
    readonly usage?: number;
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number } | null;
  };
};

/** A container has a command run by its engine (`run`). */
const NO_EXEC = { file: '/bin/false', args: [], cwd: '/', env: {} };

async function networkOf(
  container: ContainerSpec,
  { spec, inner, main }: Home,
  isMain: boolean,
): Promise<EngineNetwork> {
  if (spec.network === 'host') return { kind: 'host' };
  if (isMain) return { kind: 'own', ports: portsLedOut(spec, inner) };
  if (spec.initContainers.includes(container)) return { kind: 'own', ports: [] };
  return { kind: 'of', container: (await main.promise).id };
}

/** The one in PORT, and what probes of any of its containers ask: that network is the main one's. */
function portsLedOut({ containers }: InstanceSpec, inner: number): readonly number[] {
  const probed = containers.flatMap(({ readiness, liveness, startup }) =>
    [readiness, liveness, startup].flatMap((probe) =>
      probe !== undefined && 'port' in probe.action ? (probe.action.port ?? []) : [],
    ),
  );
  return [...new Set([inner, ...probed])];
}

function withArguments(container: ContainerSpec, env: Readonly<Record<string, string>>): ContainerSpec {
  const { launch } = container;
  if (launch.kind !== 'container')
    throw failed('ContainerCannotRun', `${container.name} is no image of an engine`);
  const words = (list: readonly string[] | undefined): string[] | undefined =>
    list?.map((word) => expanded(word, env));
  return {
    ...container,
    launch: { ...launch, command: words(launch.command), args: words(launch.args) },
  };
}
