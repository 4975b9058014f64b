import type { Child } from '../child.ts';
import type { InstanceSpec, Unmet } from '../../runtime.ts';
import type { ProbeTarget } from '../probes/ask.ts';
import type { HostRoute } from '../runner-protocol.ts';
import { isListenedOn } from '../ports.ts';
import { FixedPorts, ownPorts, saysPortIsTaken } from './fixed-ports.ts';
import { InsideNames, type InsideNamesOptions } from './inside-names.ts';
import { MarkedRules } from './marked-rules.ts';
import { Networks, type Furnished } from './networks.ts';
import type { OwnNetwork } from './own-network.ts';

/** What the containers of one instance have of a network: that of this machine, or one of their own. */
export type Placement =
  | {
      readonly kind: 'host';
      readonly elsewhere: (port: number) => string | undefined;
      /** Told of a program that seems to have missed a port which another has; whether it can have a network of its own. */
      readonly wants: () => boolean;
      /** Told of what a program printed last before it ended; whether it is the one that answers, and ended as if all were well. */
      readonly ended: (printed: string, isQuiet: boolean) => void;
    }
  | (Furnished & {
      readonly kind: 'own';
      /** Where its main program is to listen. */
      readonly port: number;
      readonly elsewhere: (port: number) => string | undefined;
      readonly inside: NonNullable<ProbeTarget['inside']>;
    });

export type PlacementsOptions = Omit<InsideNamesOptions, 'rules'> & {
  readonly token: string;
  /** The token of the run before. */
  readonly former: string;
  readonly onSpawn: (child: Child) => void;
  /** Told what is to be run once the platform has gone. */
  readonly atEnd: (command: string) => void;
};

/** Decides which instances get a network of their own (knative specs, runtime-contract.md: PORT is the container's port). */
export class Placements {
  readonly #networks: Networks;
  readonly #names: InsideNames;
  readonly #rules: MarkedRules;
  readonly #fixed = new FixedPorts();

  constructor({ token, former, isName, routes, file, onSpawn, atEnd }: PlacementsOptions) {
    const rules = new MarkedRules(token, former, atEnd);
    const names = new InsideNames({ rules, routes, isName, file });
    this.#rules = rules;
    this.#names = names;
    this.#networks = new Networks({ token, rules, isName, onSpawn, namesAt: () => names.address });
  }

  /** A file to be shown to programs for the machine's resolv.conf; undefined: they find no names inside the cluster. */
  resolvConf(): Promise<string | undefined> {
    return this.#names.open();
  }

  /** Why a spec that asks for a network of its own cannot have it. */
  unmet(spec: InstanceSpec): readonly Unmet[] {
    const { why } = spec.network === 'own' ? this.#networks : {};
    if (why === undefined) return [];
    const message = `annotation runtime.millrace.dev/network asks for a network of its own, and no process can have one here (${why}); ${TO_DO}, or remove the annotation and let the program listen on PORT`;
    return [{ kind: 'refused', what: 'ports', message }];
  }

  isOwn(spec: InstanceSpec): boolean {
    return spec.network === 'own' || (spec.network === undefined && this.#fixed.isKnown(spec));
  }

  /**
   * Starts an instance on the machine's network, and if its program turns out to insist on a port, in one of its own, which
   * `start` has to close. Where that is but a guess, it is tried for a while, and then the machine's again.
   */
  async onHost<T>(
    spec: InstanceSpec,
    start: (placement: Placement | 'own', spec: InstanceSpec) => Promise<T>,
  ): Promise<T> {
    let isPortTaken = false;
    let isGuess = false;
    const canGuess = spec.network === undefined && this.#networks.why === undefined;
    const host: Placement = {
      kind: 'host',
      elsewhere: (port) => this.#whatElse(spec, port),
      wants: () => (isGuess = canGuess),
      ended: (printed, isQuiet) => {
        isPortTaken ||= saysPortIsTaken(printed);
        // Go programs that leave the error of ListenAndServe unread end without a word.
        isGuess ||= isQuiet && canGuess && !isPortTaken && isListenedOn(this.#fixed.portOf(spec));
      },
    };
    try {
      return await start(host, spec);
    } catch (error) {
      if (isGuess && !isPortTaken)
        return this.#guess(spec, start, { ...host, wants: () => false, ended: () => undefined });
      if (spec.network !== undefined) throw error;
      if (isPortTaken && this.#networks.why === undefined) this.#fixed.note(spec, this.#fixed.portOf(spec));
      if (!this.#fixed.isKnown(spec)) throw error;
      return await start('own', spec);
    }
  }

  async #guess<T>(
    spec: InstanceSpec,
    start: (placement: Placement | 'own', spec: InstanceSpec) => Promise<T>,
    otherwise: Placement,
  ): Promise<T> {
    const readyTimeoutMs = Math.min(spec.readyTimeoutMs, GUESS_FOR_MS);
    this.#fixed.note(spec, this.#fixed.portOf(spec));
    try {
      return await start('own', { ...spec, readyTimeoutMs });
    } catch {
      this.#fixed.forget(spec);
      return start(otherwise, spec);
    }
  }

  /** Its network has to be closed by whoever has it. */
  async own(spec: InstanceSpec, routes: readonly HostRoute[]): Promise<Placement & { kind: 'own' }> {
    const port = this.#fixed.portOf(spec);
    const furnished = await this.#networks.take(routes, ownPorts(spec, port));
    const { network } = furnished;
    let main = port;
    const elsewhere = (other: number): undefined => {
      main = other;
      this.#fixed.note(spec, other);
      void network.doorTo(port).then((door) => network.lead(door, other));
    };
    return { kind: 'own', ...furnished, port, elsewhere, inside: insideOf(network, () => main) };
  }

  /** Called when an instance in such a network has been started, and nobody waits. */
  prepare(): void {
    this.#networks.prepare();
  }

  close(): void {
    this.#networks.close();
    this.#names.close();
    this.#rules.removeAll();
  }

  /** Of a program that listens on another port on the machine's network. */
  #whatElse(spec: InstanceSpec, port: number): string {
    if (spec.network === 'host') return '; or remove annotation runtime.millrace.dev/network: host';
    const { why } = this.#networks;
    if (why !== undefined)
      return `; or, to give it a network of its own (not possible here: ${why}), ${TO_DO}`;
    this.#fixed.note(spec, port);
    return '; it is given a network of its own';
  }
}

const GUESS_FOR_MS = 15_000;

const TO_DO =
  'run millrace as root, or allow user namespaces (in a container: --cap-add SYS_ADMIN --cap-add NET_ADMIN)';

function insideOf(network: OwnNetwork, main: () => number): NonNullable<ProbeTarget['inside']> {
  return {
    accepts: (port, timeoutMs) => network.accepts(port ?? main(), timeoutMs),
    doorTo: (port) => network.doorTo(port),
  };
}
