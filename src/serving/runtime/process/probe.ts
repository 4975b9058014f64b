import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { connect } from 'node:net';

/** One question to a program that is starting up; unanswered for so long, it counts as a no. */
const PROBE_TIMEOUT_MS = 1000;

/** Whether something accepts on a loopback port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Whether a GET is answered with 200 to 399 (Kubernetes, httpGet). */
export function answersWell(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const outgoing = request(
      { port, host: '127.0.0.1', path, headers, signal, agent: false },
      ({ statusCode = 500 }) => {
        resolve(statusCode >= 200 && statusCode < 400);
        outgoing.destroy(); // whatever its body says
      },
    );
    outgoing.on('error', () => resolve(false));
    outgoing.end();
  });
}

/** Whether a command ends with 0, run where and as the program is. */
export function exitsWell(
  [file = '', ...args]: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { timeout: PROBE_TIMEOUT_MS, killSignal: 'SIGKILL', cwd, env } as const;
    execFile(file, args, options, (error) => resolve(error === null));
  });
}
