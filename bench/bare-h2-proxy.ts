import { connect, createServer, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { answerRequests } from './child.ts';

/** The baseline of the gateway by HTTP/2: the barest streaming proxy to one instance, over one connection. */
const session = connect(`http://127.0.0.1:${process.argv[2]}`);

const server = createServer();
server.on('stream', (stream: ServerHttp2Stream, headers) => {
  const outgoing: ClientHttp2Stream = session.request(headers);
  outgoing.on('response', (answer) => stream.respond(answer));
  outgoing.pipe(stream);
  stream.pipe(outgoing);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
answerRequests(async () => ({}));
