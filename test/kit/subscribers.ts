import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';

export type Request = {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly method: string;
  readonly url: string;
};
export type Subscriber = { readonly url: string; readonly requests: Request[]; close(): void };

/** A real HTTP subscriber that remembers what it was sent and answers as told. */
export async function subscriber(
  answer: (response: ServerResponse, request: Request, count: number) => void,
): Promise<Subscriber> {
  const requests: Request[] = [];
  const server = createServer((incoming, response) => {
    read(incoming).then(
      (request) => {
        requests.push(request);
        answer(response, request, requests.length);
      },
      () => undefined, // the sender cut it
    );
  });
  return {
    url: await listening(server),
    requests,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

/** A subscriber below HTTP: does to each connection what a broken one would do. */
export async function brokenSubscriber(treat: (socket: Socket) => void): Promise<Subscriber> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    treat(socket);
  });
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: await listening(server), requests: [], close };
}

/** A loopback port that nobody listens on. */
export async function refusedUrl(): Promise<string> {
  const server = createTcpServer();
  const url = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

async function read(incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
  );
  return { headers, body: Buffer.concat(chunks), method: incoming.method ?? '', url: incoming.url ?? '' };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
