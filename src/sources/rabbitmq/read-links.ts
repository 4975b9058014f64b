import type * as Amqp from 'amqplib';
import { ReadLink } from '../../clients/rabbitmq/read-link.ts';
import type { Address } from '../../clients/rabbitmq/settings.ts';

/** A server allows 2047 AMQP channels a connection; a source has one open, and another one at times. */
const USERS_MAX = 500;

type Shared = { readonly opening: Promise<ReadLink>; users: number };
export type Lease = { readonly link: ReadLink; readonly release: () => Promise<void> };

/** Connections that sources with the same address and credentials share; one is closed when its last source is. */
export class ReadLinks {
  readonly #connect: () => Promise<typeof Amqp.connect>;
  readonly #shared = new Map<string, Shared[]>();

  constructor(connect: () => Promise<typeof Amqp.connect>) {
    this.#connect = connect;
  }

  async lease(address: Address): Promise<Lease> {
    const key = JSON.stringify(address);
    const known = this.#shared.get(key)?.find(({ users }) => users < USERS_MAX);
    const shared = known ?? this.#share(key, address);
    shared.users += 1;
    const link = await shared.opening;
    return { link, release: () => this.#release(key, shared, link) };
  }

  /** What could not be opened, or was lost, is given to nobody any more. */
  #share(key: string, address: Address): Shared {
    const shared = { opening: this.#open(address), users: 0 };
    const forget = (): void => this.#forget(key, shared);
    shared.opening.then((link) => link.lost.addEventListener('abort', forget), forget);
    this.#shared.set(key, [...(this.#shared.get(key) ?? []), shared]);
    return shared;
  }

  async #open(address: Address): Promise<ReadLink> {
    return ReadLink.open(address, await this.#connect());
  }

  async #release(key: string, shared: Shared, link: ReadLink): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#forget(key, shared);
    await link.close();
  }

  #forget(key: string, shared: Shared): void {
    const others = (this.#shared.get(key) ?? []).filter((each) => each !== shared);
    if (others.length === 0) this.#shared.delete(key);
    else this.#shared.set(key, others);
  }
}
