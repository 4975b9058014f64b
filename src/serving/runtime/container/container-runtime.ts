import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expanded } from '../../expand.ts';
import type { ContainerSpec } from '../container-spec.ts';
import {
  mainContainer,
  type Instance,
  type InstanceSpec,
  type Runtime,
  type TellStatus,
  type Unmet,
} from '../runtime.ts';
import type { Usage } from '../usage.ts';
import { failed } from '../process/child.ts';
import type { Past, RunTools } from '../process/container-run.ts';
import { VolumeFolders } from '../process/isolation/volume-folders.ts';
import { RUN_TOKEN } from '../process/left-overs.ts';
import { LocalInstance } from '../process/local-instance.ts';
import type { LogSink } from '../process/output.ts';
import { freePort } from '../process/ports.ts';
import type { RunProcess } from '../process/run-process.ts';
import { closed, portContract } from '../process/runner-pool.ts';
import { Warden } from '../process/warden.ts';
import { staysOpen } from './accepts.ts';
import { createBody, OWNER, RUN, type EngineNetwork } from './create-body.ts';
import { EngineContainer } from './engine-container.ts';
import type { Engine } from './engine.ts';

export type ContainerRuntimeOptions = {
  readonly engine: Engine;
  /** Holds volumes; its path is also by what the containers of a former run are found. */
  readonly folder: string;
  readonly logs: LogSink;
};

const DEFAULT_PORT = 8080;
const PASTS_MAX = 1000;

type Remembered = { readonly past: Map<string, Past>; readonly volumes: VolumeFolders | undefined };
type Home = Remembered & {
  readonly spec: InstanceSpec;
  readonly id: string;
  /** The container whose network the others share. */
  readonly main: PromiseWithResolvers<EngineContainer>;
};

/** Starts instances as containers of a Docker-compatible engine. */
export class ContainerRuntime implements Runtime {
  readonly #options: ContainerRuntimeOptions;
  readonly #token = randomUUID();
  readonly #containers = new Set<EngineContainer>();
  readonly #warden = new Warden();
  readonly #remembered = new Map<string, Remembered>(); // by instance
  #sweep: Promise<void> | undefined;
  #count = 0;
  #isClosed = false;

  constructor(options: ContainerRuntimeOptions) {
    this.#options = options;
  }

  /** Resolves once all containers are ready (R1); what a former run has left is ended before the first. */
  async start(spec: InstanceSpec, id: string, tell: TellStatus = () => undefined): Promise<Instance> {
    if (this.#isClosed) throw closed();
    await this.sweep();
    const main = Promise.withResolvers<EngineContainer>();
    main.promise.catch(() => undefined); // who waits for it is told
    const home: Home = { ...this.#remember(spec, id), spec, id, main };
    return LocalInstance.start(spec, id, {
      past: home.past,
      volumes: home.volumes,
      tell,
      toolsFor: (container, current, onChange) =>
        this.#toolsFor(container, { ...home, spec: current }, onChange),
      usageOf: (child) => this.#usageOf(child),
      onBegin: () => undefined,
      onEnd: (isOver) => {
        if (isOver) this.#forget(id);
      },
    });
  }

  unmet(): readonly Unmet[] {
    return [];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#containers].map((container) => container.stop(0)));
    for (const id of this.#remembered.keys()) this.#forget(id);
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
    const { body } = await engine.ask('GET', `/containers/json?all=1&filters=${filters}`);
    const known = Array.isArray(body) ? (body as readonly Listed[]) : [];
    const left = known.filter(({ Labels = {} }) => Labels[RUN] !== this.#token);
    await Promise.all(left.map(({ Id }) => engine.ask('DELETE', `/containers/${Id}?force=1&v=1`)));
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
          accepts: async (inner, timeoutMs) =>
            staysOpen(await this.#doorTo(home, inner ?? port, port), timeoutMs),
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
    const { spec, id, volumes } = home;
    const { engine, folder } = this.#options;
    const isInit = spec.initContainers.includes(container);
    const inner = spec.network === 'host' ? await freePort() : (container.containerPort ?? DEFAULT_PORT);
    const network: EngineNetwork =
      spec.network === 'host'
        ? { kind: 'host' }
        : isMain || isInit
          ? { kind: 'own', port: isMain ? inner : undefined }
          : { kind: 'of', container: (await home.main.promise).id };
    if (this.#isClosed) throw closed();
    const env = { ...withId(container, id), ...contractOf(spec), ...(isMain && portContract(inner)) };
    const binds = volumes?.bindsOf(container, spec) ?? [];
    const labels = { [OWNER]: folder, [RUN]: this.#token };
    this.#count += 1;
    const name = `millrace-${id}-${container.name}-${this.#token.slice(0, 8)}-${this.#count}`;
    const body = createBody({
      container: withArguments(container, env),
      env,
      binds,
      network,
      labels,
      token: this.#token,
    });
    const child = await EngineContainer.create(
      engine,
      name,
      body,
      container.limits.memoryBytes !== undefined,
    );
    this.#keep(child);
    onTaken(child);
    this.#tell(child, spec, container, id);
    await child.start();
    this.#guard(child);
    if (isMain) home.main.resolve(child);
    return { child, port: child.portOf(inner) ?? inner, inner };
  }

  /** A port of this machine that leads to one of the instance; of a port that is not led out, that port. */
  async #doorTo({ spec, main }: Home, inner: number, port: number): Promise<number> {
    if (spec.network === 'host' || inner === port) return inner;
    return (await main.promise).portOf(inner) ?? inner;
  }

  async #usageOf(child: RunProcess): Promise<Usage | undefined> {
    if (!(child instanceof EngineContainer) || !this.#containers.has(child)) return undefined;
    const path = `/containers/${child.id}/stats?stream=false&one-shot=true`;
    const { status, body } = await this.#options.engine.ask('GET', path);
    if (status >= 300) return undefined;
    const { cpu_stats: cpu, memory_stats: memory } = body as Stats;
    return { cpuSeconds: (cpu?.cpu_usage?.total_usage ?? 0) / 1e9, memoryBytes: memory?.usage ?? 0 };
  }

  #tell(child: EngineContainer, spec: InstanceSpec, { name }: ContainerSpec, id: string): void {
    const { namespace, revision, containers, initContainers } = spec;
    const log = containers.length + initContainers.length > 1 ? `${id}.${name}` : id;
    this.#options.logs.begin?.(log, { namespace, revision });
    child.sendTo(this.#options.logs, log);
  }

  #remember(spec: InstanceSpec, id: string): Remembered {
    const known = this.#remembered.get(id);
    this.#remembered.delete(id); // the last to be forgotten
    const folder = join(this.#options.folder, 'container-volumes', id);
    if (spec.volumes.length > 0) mkdirSync(folder, { recursive: true });
    const remembered: Remembered = known ?? {
      past: new Map(),
      volumes: spec.volumes.length === 0 ? undefined : new VolumeFolders(folder, this.#token),
    };
    this.#remembered.set(id, remembered);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > PASTS_MAX && oldest !== undefined) this.#remembered.delete(oldest);
    return remembered;
  }

  #forget(id: string): void {
    this.#remembered.get(id)?.volumes?.remove();
    this.#remembered.delete(id);
  }

  #keep(child: EngineContainer): void {
    this.#containers.add(child);
    void child.ended.then(() => this.#containers.delete(child));
  }

  /** R3: where its processes are this machine's, they end with a platform that is killed; elsewhere the next run ends them. */
  #guard(child: EngineContainer): void {
    const { pid } = child;
    if (pid <= 1 || !isOurs(pid, this.#token)) return;
    this.#warden.watch(pid);
    void child.ended.then(() => this.#warden.forget(pid));
  }
}

type Listed = { readonly Id: string; readonly Labels?: Readonly<Record<string, string>> };
type Stats = {
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: { readonly usage?: number };
};

const NO_EXEC = {
  file: '/bin/sh',
  args: ['-c', 'echo "kubectl exec does not reach into containers of an engine yet" >&2; exit 126'],
  cwd: '/',
  env: {},
};

/** The number of a process in a machine of the engine's own may be that of another here. */
function isOurs(pid: number, token: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${RUN_TOKEN}=${token}`);
  } catch {
    return false;
  }
}

function withId({ env, idEnv }: ContainerSpec, id: string): Record<string, string> {
  return { ...env, ...Object.fromEntries(idEnv.map((name) => [name, id])) };
}

function withArguments(container: ContainerSpec, env: Readonly<Record<string, string>>): ContainerSpec {
  const { launch } = container;
  if (launch.kind !== 'container')
    throw failed('ContainerCannotRun', `${container.name} is no image of an engine`);
  const words = (list: readonly string[] | undefined): string[] | undefined =>
    list?.map((word) => expanded(word, env));
  return {
    ...container,
    launch: { kind: 'container', command: words(launch.command), args: words(launch.args) },
  };
}

/** knative specs, runtime-contract.md. */
function contractOf({ service, revision, configuration }: InstanceSpec): Record<string, string> {
  if (service === undefined) return {};
  return { K_SERVICE: service, K_REVISION: revision, K_CONFIGURATION: configuration ?? service };
}
