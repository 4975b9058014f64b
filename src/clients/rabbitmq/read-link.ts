import type * as Amqp from 'amqplib';
import { messageOf } from '../../base/errors.ts';
import { connectOne, endOne, faultOf, type Reading } from './connection.ts';
import type { Address } from './settings.ts';
import { lostBecause } from './within.ts';

/** One connection, for those who only read. */
export class ReadLink implements Reading {
  readonly #lost = new AbortController();
  readonly consuming: Amqp.ChannelModel;
  #isClosing = false;

  private constructor({ host, port }: Address, consuming: Amqp.ChannelModel) {
    this.consuming = consuming;
    let fault: unknown;
    consuming.on('error', (error) => (fault = error));
    consuming.on('close', (error) => {
      const why = error ?? fault;
      const said = why === undefined ? 'the connection was closed' : messageOf(why);
      if (!this.#isClosing) this.#lost.abort(lostBecause(`RabbitMQ at ${host}:${port}: ${said}`, why));
    });
  }

  static async open(address: Address, connectTo: typeof Amqp.connect): Promise<ReadLink> {
    try {
      return new ReadLink(address, await connectOne(address, connectTo, 'reads'));
    } catch (error) {
      throw faultOf(address, error);
    }
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await endOne(this.consuming);
  }
}
