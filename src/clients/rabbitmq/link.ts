import type * as Amqp from 'amqplib';
import { messageOf } from '../../base/errors.ts';
import { connectOne, endOne, faultOf, type Reading } from './connection.ts';
import type { Address } from './settings.ts';
import { lostBecause } from './within.ts';

/**
 * Two connections to one broker: RabbitMQ stops reading from a connection that publishes while it is short of memory or
 * disk, and whatever is to be acknowledged has to come through then. Losing either is losing both.
 */
export class Link implements Reading {
  readonly #lost = new AbortController();
  readonly #where: string;
  readonly publishing: Amqp.ChannelModel;
  readonly consuming: Amqp.ChannelModel;
  /** Why the broker takes no publishes, in its words; undefined: it does. */
  blocked: string | undefined;
  #isClosing = false;

  private constructor(where: string, publishing: Amqp.ChannelModel, consuming: Amqp.ChannelModel) {
    this.#where = where;
    this.publishing = publishing;
    this.consuming = consuming;
    for (const connection of [publishing, consuming]) this.#watch(connection);
    publishing.on('blocked', (reason) => (this.blocked = reason));
    publishing.on('unblocked', () => (this.blocked = undefined));
  }

  static async open(address: Address, connectTo: typeof Amqp.connect): Promise<Link> {
    const where = `${address.host}:${address.port}`;
    const opening = ['publishes', 'consumes'].map((does) => connectOne(address, connectTo, does));
    const opened = await Promise.allSettled(opening);
    const [publishing, consuming] = opened.map((each) =>
      each.status === 'fulfilled' ? each.value : undefined,
    );
    if (publishing !== undefined && consuming !== undefined) return new Link(where, publishing, consuming);
    for (const each of [publishing, consuming]) if (each !== undefined) await endOne(each);
    const failed = opened.find((each) => each.status === 'rejected');
    throw faultOf(address, failed?.reason);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([endOne(this.publishing), endOne(this.consuming)]);
  }

  #watch(connection: Amqp.ChannelModel): void {
    let fault: unknown;
    connection.on('error', (error) => (fault = error));
    connection.on('close', (error) => {
      const why = error ?? fault;
      const said = why === undefined ? 'the connection was closed' : messageOf(why);
      if (!this.#isClosing) this.#lost.abort(lostBecause(`RabbitMQ at ${this.#where}: ${said}`, why));
      // One without the other is of no use.
      if (!this.#isClosing) for (const each of [this.publishing, this.consuming]) void endOne(each);
    });
  }
}
