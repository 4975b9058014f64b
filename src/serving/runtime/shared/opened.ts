import { connect, type Socket } from 'node:net';
import { PlatformError } from '../../../base/errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;

/** A connection to an address of this machine, or that this machine reaches; rejects with POD_NOT_REACHED, in the kernel's words. */
export function opened(port: number, host = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true });
    const fail = (why: string): void => {
      socket.destroy();
      reject(new PlatformError('POD_NOT_REACHED', why, { retryable: false }));
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    socket.once('error', ({ message }) => fail(message));
    socket.once('connect', () => {
      socket.setTimeout(0).removeAllListeners('timeout');
      resolve(socket);
    });
  });
}
