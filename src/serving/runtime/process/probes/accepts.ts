import { connect } from 'node:net';

/** Whether something accepts on a loopback port; why not otherwise. */
export function accepts(port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (fault: string | undefined): void => {
      socket.destroy();
      resolve(fault);
    };
    socket.setTimeout(timeoutMs, () => end(`no connection within ${timeoutMs} ms`));
    socket.once('connect', () => end(undefined));
    socket.once('error', ({ message }) => end(message));
  });
}
