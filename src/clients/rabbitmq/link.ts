import { Duplex } from 'node:stream';
import type * as Amqp from 'amqplib';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Address } from './settings.ts';
import { lostBecause, within } from './within.ts';

/** So long may connecting take, the handshake included: a server that starts may listen before it answers. */
const CONNECT_MAX_MS = 3000;
const CLOSE_MAX_MS = 2000;
/** In seconds: a broker that is silent for two to three of them is gone, and it treats us alike. */
const HEARTBEAT = 5;

/**
 * Two connections to one broker: RabbitMQ stops reading from a connection that publishes while it is short of memory or
 * disk, and whatever is to be acknowledged has to come through then. Losing either is losing both.
 */
export class Link {
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
    throw faultOf(address, where, failed?.reason);
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

async function connectOne(
  { isTls, host, port, vhost, username, password, ca }: Address,
  connectTo: typeof Amqp.connect,
  does: string,
): Promise<Amqp.ChannelModel> {
  const url = { protocol: isTls ? 'amqps' : 'amqp', hostname: host, port, vhost, username, password };
  const connecting = connectTo(
    { ...url, heartbeat: HEARTBEAT },
    {
      noDelay: true,
      keepAlive: true,
      timeout: CONNECT_MAX_MS,
      clientProperties: { product: 'Millrace', connection_name: `millrace ${does}` },
      ...(ca === undefined ? {} : { ca: [ca] }),
    },
  );
  const connection = await within(CONNECT_MAX_MS, 'connecting', connecting).catch((error: unknown) => {
    void connecting.then(endOne, () => undefined); // it may come after all
    throw error;
  });
  connection.on('error', () => undefined); // from here on an error without a listener would end the process
  return connection;
}

/** Never rejects, and takes no longer than it may: the other side may be gone. */
async function endOne(connection: Amqp.ChannelModel): Promise<void> {
  await within(CLOSE_MAX_MS, 'closing', closed(connection)).catch(() => undefined);
  const { connection: inner } = connection;
  // The library only half-closes its socket; towards a host that is gone that would never end.
  if ('stream' in inner && inner.stream instanceof Duplex) inner.stream.destroy();
}

/** Closing what is closed throws, at once or later. */
async function closed(connection: Amqp.ChannelModel): Promise<void> {
  await connection.close();
}

function faultOf({ vhost, username }: Address, where: string, error: unknown): PlatformError {
  const said = `RabbitMQ at ${where}: ${messageOf(error)}`;
  if (error instanceof PlatformError) return new PlatformError(error.code, said, { retryable: true });
  // What node:net and node:tls say has a code. A refusal of the handshake has none, and may be told without its reason.
  if (error instanceof Error && 'code' in error)
    return new PlatformError('BACKEND_UNREACHABLE', said, { retryable: true, cause: error });
  const message = `${said} (user ${username}, virtual host ${decodeURIComponent(vhost)})`;
  return new PlatformError('BACKEND_REFUSED', message, { retryable: true, cause: error });
}
