import { PlatformError } from '../../base/errors.ts';
import type { Reach, Reached } from './reach.ts';
import type { Instance, InstanceSpec, Runtime, TellStatus, Unmet } from './runtime.ts';

type Reachable = Runtime & Reach;

/** Images of the local store run as processes, those of an engine as containers; of one instance all as the same. */
export class EitherRuntime implements Runtime, Reach {
  readonly #processes: Reachable;
  readonly #containers: Reachable | undefined;

  constructor(processes: Reachable, containers: Reachable | undefined) {
    this.#processes = processes;
    this.#containers = containers;
  }

  start(spec: InstanceSpec, id: string, tell?: TellStatus): Promise<Instance> {
    const [refused] = this.#refused(spec);
    if (refused !== undefined)
      return Promise.reject(new PlatformError('ContainerCannotRun', refused.message, { retryable: true }));
    return this.#runtimeOf(spec).start(spec, id, tell);
  }

  unmet(spec: InstanceSpec): readonly Unmet[] {
    const refused = this.#refused(spec);
    return refused.length > 0 ? refused : this.#runtimeOf(spec).unmet(spec);
  }

  reach(id: string): Reached | undefined {
    return this.#processes.reach(id) ?? this.#containers?.reach(id);
  }

  async close(): Promise<void> {
    await Promise.all([this.#processes.close(), this.#containers?.close()]);
  }

  #runtimeOf(spec: InstanceSpec): Runtime {
    return ofEngine(spec).length > 0 && this.#containers !== undefined ? this.#containers : this.#processes;
  }

  #refused(spec: InstanceSpec): readonly Unmet[] {
    const ours = ofEngine(spec);
    const [first] = ours;
    if (first === undefined) return [];
    const refuse = (message: string): readonly Unmet[] => [{ kind: 'refused', what: 'ports', message }];
    if (this.#containers === undefined)
      return refuse(
        `container ${first.name} is an image of a container engine, and there is none; start one, or name it with --engine unix:///PATH`,
      );
    const all = spec.containers.length + spec.initContainers.length;
    if (ours.length === all) return [];
    return refuse(
      `container ${first.name} is an image of the container engine and others are of the local store, and the two share no network; push all of them, or none`,
    );
  }
}

function ofEngine({ containers, initContainers }: InstanceSpec): InstanceSpec['containers'] {
  return [...initContainers, ...containers].filter(({ launch }) => launch.kind === 'container');
}
