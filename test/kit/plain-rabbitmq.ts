import { connect, type Channel, type ChannelModel, type Options } from 'amqplib';

/** Somebody else's program: makes queues, publishes to them and looks into them. */
export class PlainRabbitmq {
  readonly #connection: ChannelModel;
  #channel: Channel | undefined;

  private constructor(connection: ChannelModel) {
    this.#connection = connection;
  }

  static async open(address: string): Promise<PlainRabbitmq> {
    const connection = await connect(address);
    connection.on('error', () => undefined);
    return new PlainRabbitmq(connection);
  }

  /** On a channel that a refusal may close. */
  async run<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
    this.#channel ??= await this.#open();
    return act(this.#channel);
  }

  /** Resolves once the broker has it. */
  async publish(exchange: string, key: string, body: string, options: Options.Publish = {}): Promise<void> {
    const channel = await this.#connection.createConfirmChannel();
    channel.publish(exchange, key, Buffer.from(body), { persistent: true, ...options });
    await channel.waitForConfirms();
    await channel.close();
  }

  /** How many wait, and how many read; undefined: there is no such queue. */
  count(queue: string): Promise<{ ready: number; consumers: number } | undefined> {
    return this.run((channel) => channel.checkQueue(queue)).then(
      ({ messageCount, consumerCount }) => ({ ready: messageCount, consumers: consumerCount }),
      () => undefined,
    );
  }

  hasExchange(name: string): Promise<boolean> {
    return this.run((channel) => channel.checkExchange(name)).then(
      () => true,
      () => false,
    );
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #open(): Promise<Channel> {
    const channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    channel.on('close', () => (this.#channel = undefined));
    return channel;
  }
}
