import { Duplex } from 'node:stream';
import type * as Amqp from 'amqplib';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Address } from './settings.ts';
import { within } from './within.ts';

/** What messages are read through: `lost` aborts, with a PlatformError that says why, when the connection has ended by itself. */
export type Reading = { readonly consuming: Amqp.ChannelModel; readonly lost: AbortSignal };

/** So long may connecting take, the handshake included: a server that starts may listen before it answers. */
const CONNECT_MAX_MS = 3000;
const CLOSE_MAX_MS = 2000;
/** In seconds: a broker that is silent for two to three of them is gone, and it treats us alike. */
const HEARTBEAT = 5;

/** `does` names it in the broker's list of connections. Rejects as the broker has put it; faultOf() says it for people. */
export async function connectOne(
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
export async function endOne(connection: Amqp.ChannelModel): Promise<void> {
  await within(CLOSE_MAX_MS, 'closing', closed(connection)).catch(() => undefined);
  const { connection: inner } = connection;
  // The library only half-closes its socket; towards a host that is gone that would never end.
  if ('stream' in inner && inner.stream instanceof Duplex) inner.stream.destroy();
}

/** Closing what is closed throws, at once or later. */
async function closed(connection: Amqp.ChannelModel): Promise<void> {
  await connection.close();
}

export function faultOf({ host, port, vhost, username }: Address, error: unknown): PlatformError {
  const said = `RabbitMQ at ${host}:${port}: ${messageOf(error)}`;
  if (error instanceof PlatformError) return new PlatformError(error.code, said, { retryable: true });
  // What node:net and node:tls say has a code. A refusal of the handshake has none, and may be told without its reason.
  if (error instanceof Error && 'code' in error)
    return new PlatformError('BACKEND_UNREACHABLE', said, { retryable: true, cause: error });
  const message = `${said} (user ${username}, virtual host ${decodeURIComponent(vhost)})`;
  return new PlatformError('BACKEND_REFUSED', message, { retryable: true, cause: error });
}
