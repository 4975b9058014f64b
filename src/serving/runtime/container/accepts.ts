import { connect } from 'node:net';

/** A proxy of the engine that finds nobody behind it closes at once. */
const CLOSES_WITHIN_MS = 25;

/**
 * Whether something accepts behind a port that an engine leads out; why not, otherwise. The engine's own proxy may accept in
 * its place: what then closes without a word was not there.
 */
export function staysOpen(port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (fault: string | undefined): void => {
      socket.destroy();
      resolve(fault);
    };
    socket.setTimeout(timeoutMs, () => end(`no connection within ${timeoutMs} ms`));
    socket.once('error', ({ message }) => end(message));
    socket.once('connect', () => {
      socket.once('close', () => end('the connection was closed at once'));
      socket.once('data', () => end(undefined));
      setTimeout(() => end(undefined), CLOSES_WITHIN_MS);
    });
  });
}
