import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { accepts } from '../../probes/accepts.ts';
import { bridge, takeOver } from '../bridge.ts';
import type { FromRelay, ToRelay } from '../relay-protocol.ts';

/**
 * A program of its own, in the network namespace of one instance: what comes in through the doors of the platform goes to
 * ports of the instance, and sockets to listen on for what goes out are opened here and handed to the platform. It ends
 * with the platform's channel, and the namespace with what runs in it.
 */
const HOST = '127.0.0.1';
const NAMES_PORT = 53;
/** Where each door leads. */
const leadsTo = new Map<number, number>();

function tell(message: FromRelay, server?: Server): void {
  process.send?.(message, server, undefined, () => server?.close());
}

function lead(door: number, to: number, handle: Server | undefined): void {
  leadsTo.set(door, to);
  if (handle !== undefined) takeOver(handle, (socket) => void bridge(socket, leadsTo.get(door) ?? to));
}

function open(question: number, port: number): void {
  const server = createServer();
  server.once('error', () => open(question, 0));
  server.listen(port, HOST, () =>
    tell({ kind: 'opened', question, port: (server.address() as AddressInfo).port }, server),
  );
}

function openNames(question: number, address: string): void {
  const socket = createSocket('udp4');
  socket.once('error', () => tell({ kind: 'opened', question, port: 0 })); // whoever asks for it does without
  socket.bind(NAMES_PORT, address, () => {
    process.send?.({ kind: 'opened', question, port: NAMES_PORT }, socket, undefined, () => socket.close());
  });
}

process.on('message', (message: ToRelay, handle: unknown) => {
  if (message.kind === 'lead') lead(message.door, message.to, handle as Server | undefined);
  else if (message.kind === 'open') open(message.question, message.port);
  else if (message.kind === 'names') openNames(message.question, message.address);
  else {
    const { question, port, timeoutMs } = message;
    void accepts(port, timeoutMs).then((fault) => tell({ kind: 'asked', question, fault }));
  }
});
process.on('disconnect', () => process.exit(0));
tell({ kind: 'up' });
