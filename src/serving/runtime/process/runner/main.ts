import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../../../base/errors.ts';
import { answer } from './answer.ts';
import { loadFunction, type LoadedFunction } from './load.ts';
import type { FromRunner, ToRunner } from '../runner-protocol.ts';
import { routeConnections } from './route-connections.ts';
import { shareSdk } from './share-sdk.ts';

/**
 * A function runner: an empty Node process that waits to be handed a bundle, and then is that function's instance.
 * Before it says that it is idle it has sent itself one event through its own server and the CloudEvents SDK, because
 * what a process does for the first time costs milliseconds (design decision 8). It ends when the platform does.
 */
const say = (message: FromRunner): void => void process.send?.(message);

let current: LoadedFunction = { handle: () => undefined };
const server = createServer((incoming, response) => void answer(current, incoming, response));
server.keepAliveTimeout = 120_000;
server.requestTimeout = 0; // the gateway has the deadlines

process.on('disconnect', () => process.exit(0));
process.on('message', (message: ToRunner) => {
  if (message.kind === 'load') void load(message);
  else void stop(message.graceMs);
});
process.on('SIGTERM', () => void stop(10_000));
process.on('SIGINT', () => undefined); // Ctrl-C is the platform's to act on
for (const cause of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(cause, (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  });
}

shareSdk();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  warmUp(port, () => say({ kind: 'idle', port }));
});

function warmUp(port: number, done: () => void): void {
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'warm',
    'ce-source': 'millrace',
    'ce-type': 'warm',
  };
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false }, (response) => {
    response.resume();
    response.on('end', done);
  });
  outgoing.end('{}');
}

async function load({ entry, directory, env, routes }: Extract<ToRunner, { kind: 'load' }>): Promise<void> {
  say({ kind: 'started' });
  try {
    process.chdir(directory);
    Object.assign(process.env, env);
    routeConnections(routes);
    current = await loadFunction(entry);
    await current.init?.();
    say({ kind: 'ready' });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    say({ kind: 'invalid', reason: messageOf(error) });
    process.exitCode = 1;
    process.disconnect();
    process.exit(1);
  }
}

let stopping: Promise<void> | undefined;
function stop(graceMs: number): Promise<void> {
  return (stopping ??= drain(graceMs));
}

async function drain(graceMs: number): Promise<void> {
  setTimeout(() => process.exit(0), graceMs).unref();
  server.close();
  server.closeIdleConnections();
  try {
    await current.shutdown?.();
  } finally {
    process.exit(0);
  }
}
