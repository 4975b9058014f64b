import type { RoutePlan } from '../plan.ts';

/**
 * Which route a host name leads to on one listener.
 *   H1  a name is led by one route: of several that ask for it by the oldest, whatever the order in which they come; the
 *       others wait for it to go, and are told when they have it.
 *   H2  an exact name goes before a wildcard (`*.shop.example`: every name below), the longest wildcard before the others.
 */
export class HostTable {
  readonly #holders = new Map<string, RoutePlan>();
  readonly #waiting = new Map<string, RoutePlan[]>(); // only where somebody does
  readonly #onHeld: (plan: RoutePlan) => void;
  #wildcards = 0;

  constructor(onHeld: (plan: RoutePlan) => void) {
    this.#onHeld = onHeld;
  }

  /** From now on these are the hosts that a route asks for; `before` are those that it asked for until now. */
  set(plan: RoutePlan, hosts: readonly string[], before: readonly string[]): void {
    for (const host of before) if (!hosts.includes(host)) this.#drop(host, plan.key);
    for (const host of hosts) this.#put(host, plan);
  }

  remove(key: string, hosts: readonly string[]): void {
    for (const host of hosts) this.#drop(host, key);
  }

  find(host: string): RoutePlan | undefined {
    const exact = this.#holders.get(host);
    if (exact !== undefined || this.#wildcards === 0) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const found = this.#holders.get(`*${host.slice(dot)}`);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whose a host is, under just this name. */
  holderOf(host: string): RoutePlan | undefined {
    return this.#holders.get(host);
  }

  #put(host: string, plan: RoutePlan): void {
    const holder = this.#holders.get(host);
    if (holder === undefined && host.startsWith('*.')) this.#wildcards += 1;
    if (holder === undefined || holder.key === plan.key) return void this.#holders.set(host, plan);
    const isFirst = isOlder(plan, holder);
    if (isFirst) {
      this.#holders.set(host, plan);
      this.#onHeld(holder); // which it was: it is told that it has it no more
    }
    const later = (this.#waiting.get(host) ?? []).filter(({ key }) => key !== plan.key);
    this.#waiting.set(host, [...later, isFirst ? holder : plan]);
  }

  #drop(host: string, key: string): void {
    const waiting = (this.#waiting.get(host) ?? []).filter((each) => each.key !== key);
    if (this.#holders.get(host)?.key !== key) return this.#keep(host, waiting);
    const [first, ...others] = waiting.toSorted((a, b) => (isOlder(a, b) ? -1 : 1));
    this.#keep(host, others);
    if (first !== undefined) {
      this.#holders.set(host, first);
      return this.#onHeld(first);
    }
    this.#holders.delete(host);
    if (host.startsWith('*.')) this.#wildcards -= 1;
  }

  #keep(host: string, waiting: RoutePlan[]): void {
    if (waiting.length === 0) this.#waiting.delete(host);
    else this.#waiting.set(host, waiting);
  }
}

function isOlder(a: RoutePlan, b: RoutePlan): boolean {
  const age = ({ since = '~', key }: RoutePlan): string => `${since} ${key}`;
  return age(a) < age(b);
}
