import type { Duplex } from 'node:stream';
import { OwnNetwork } from '../process/network/own-network.ts';
import { portsInNetworkOf } from '../process/ports.ts';
import type { Closed } from '../reach.ts';
import { opened } from '../shared/opened.ts';
import type { EngineContainer } from './engine-container.ts';

/**
 * Connections to ports of containers, those included that no manifest names: by what the engine leads out, by a relay in
 * the container's network where that is one of this machine's, or by the container's address.
 */
export class WaysIn {
  readonly #token: string;
  readonly #relays = new Map<EngineContainer, Promise<OwnNetwork>>();

  constructor(token: string) {
    this.#token = token;
  }

  async open(container: EngineContainer, port: number): Promise<Duplex | Closed> {
    const listening = container.isHere ? portsInNetworkOf(container.pid) : undefined;
    if (listening !== undefined && !listening.includes(port)) return { listening };
    const door = container.portOf(port);
    if (door !== undefined) return opened(door);
    const inside = await this.#doorTo(container, port);
    if (inside !== undefined) return opened(inside);
    const { address } = container;
    if (address === undefined) return { listening };
    return opened(port, address).catch(() => ({ listening }));
  }

  /** The container is gone, and with it its network. */
  async shut(container: EngineContainer): Promise<void> {
    const relay = this.#relays.get(container);
    this.#relays.delete(container);
    await relay?.then((network) => network.close()).catch(() => undefined);
  }

  close(): void {
    for (const container of this.#relays.keys()) void this.shut(container);
  }

  /** Undefined: this process may not enter that network. */
  async #doorTo(container: EngineContainer, port: number): Promise<number | undefined> {
    if (!container.isHere) return undefined;
    try {
      const relay = this.#relays.get(container) ?? this.#enter(container);
      this.#relays.set(container, relay);
      return await (await relay).doorTo(port);
    } catch {
      await this.shut(container);
      return undefined;
    }
  }

  #enter({ pid }: EngineContainer): Promise<OwnNetwork> {
    const nsenter = ['nsenter', '--net'];
    return OwnNetwork.open({
      token: this.#token,
      unshare: [...nsenter, `--target=${pid}`],
      nsenter,
      onSpawn: () => undefined, // it ends with its channel
    });
  }
}
