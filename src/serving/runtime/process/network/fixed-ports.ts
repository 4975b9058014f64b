import { mainContainer, type InstanceSpec } from '../../runtime.ts';

/** Knative's, of a container that names none. */
const DEFAULT_PORT = 8080;
/** Revisions that are remembered; the oldest are found out again. */
const REMEMBERED_MAX = 1000;
/** What programs print of EADDRINUSE, whatever they are written in: it comes from strerror(3), or from Node. */
const TAKEN = /EADDRINUSE|address (is )?already in use/i;

/** Which revisions run a program that insists on a port, whatever PORT says; starts have shown it. */
export class FixedPorts {
  readonly #ports = new Map<string, number>();

  note({ namespace, revision }: InstanceSpec, port: number): void {
    this.#ports.set(`${namespace}/${revision}`, port);
    const [oldest] = this.#ports.keys();
    if (this.#ports.size > REMEMBERED_MAX && oldest !== undefined) this.#ports.delete(oldest);
  }

  forget({ namespace, revision }: InstanceSpec): void {
    this.#ports.delete(`${namespace}/${revision}`);
  }

  isKnown({ namespace, revision }: InstanceSpec): boolean {
    return this.#ports.has(`${namespace}/${revision}`);
  }

  /** Where its program listens in a network of its own: what has been seen, else what its manifest says. */
  portOf(spec: InstanceSpec): number {
    const { namespace, revision } = spec;
    return this.#ports.get(`${namespace}/${revision}`) ?? mainContainer(spec).containerPort ?? DEFAULT_PORT;
  }
}

/** Whether a program ended because a port that it wanted was another's; only what it printed tells. */
export function saysPortIsTaken(printed: string): boolean {
  return TAKEN.test(printed);
}

/** The ports that an instance wants for itself, as far as its manifest tells. */
export function ownPorts(spec: InstanceSpec, main: number): ReadonlySet<number> {
  const probed = [...spec.initContainers, ...spec.containers].flatMap((container) =>
    [container.readiness, container.liveness, container.startup].flatMap((probe) =>
      probe !== undefined && 'port' in probe.action ? (probe.action.port ?? []) : [],
    ),
  );
  const named = spec.containers.flatMap(({ containerPort }) => containerPort ?? []);
  return new Set([main, ...named, ...probed]);
}
