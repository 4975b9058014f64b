import { createServer, request, type ServerResponse } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../../../../base/errors.ts';
import { HEADER_BYTES_MAX } from '../../../../http/header-limit.ts';
import { WANTED, type FromRunner, type ToRunner } from '../runner-protocol.ts';
import { answer, printError } from './answer.ts';
import { loadFunction, type LoadedFunction } from './load.ts';
import { heedSourceMaps, placeOf, rootOf, syntaxPlaceOf } from './place.ts';
import { routeConnections } from './route-connections.ts';
import { SdkSharing } from './share-sdk.ts';

/**
 * A function runner: an empty Node process that waits to be handed a bundle, and then is that function's instance.
 * Before it says that it is idle it has sent itself one event through its own server and the CloudEvents SDK, because
 * what a process does for the first time costs milliseconds (design decision 8). It ends when the platform does.
 */
/** What a function has imported is kept compiled for its next start; not before it has had time for its first answer. */
const KEEP_COMPILED_AFTER_MS = 2000;

const say = (message: FromRunner): void => void process.send?.(message);

const sharing = new SdkSharing();
const open = new Set<ServerResponse>();
let current: LoadedFunction = { handle: (_context, event) => event }; // while warming up: the whole way, reply included
let stopping: Promise<void> | undefined;
const drained = Promise.withResolvers<void>();

const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (incoming, response) => {
  open.add(response);
  response.once('close', () => {
    open.delete(response);
    if (stopping !== undefined && open.size === 0) drained.resolve();
  });
  if (stopping !== undefined) response.shouldKeepAlive = false;
  void answer(current, sharing, incoming, response);
});
server.keepAliveTimeout = 120_000;
server.requestTimeout = 0; // the gateway has the deadlines

process.on('disconnect', () => process.exit(0));
process.once('message', (message: ToRunner) => void load(message));
process.on('SIGTERM', () => void (stopping ??= stop()));
process.on('SIGINT', () => undefined); // Ctrl-C is the platform's to act on
for (const cause of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(cause, (error: unknown) => {
    printError(error);
    process.exit(1);
  });
}

delete process.env['NODE_COMPILE_CACHE']; // is for this process, not for what a function starts

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // a TCP server that listens has one
  if (process.argv[2] === WANTED) return say({ kind: 'idle', port }); // its first event is a real one
  warmUp(port, () => {
    flushCompileCache(); // for the next runner: half the time to warm, and in a checkout half the memory
    say({ kind: 'idle', port });
  });
});

function warmUp(port: number, done: () => void): void {
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'warm',
    'ce-source': '/millrace/warm',
    'ce-type': 'dev.millrace.warm',
  };
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers, agent: false }, (response) => {
    response.resume();
    response.on('end', done);
  });
  outgoing.end('{}');
}

async function load({ entry, workingDir, env, routes, isTrial }: ToRunner): Promise<void> {
  say({ kind: 'started' });
  try {
    process.chdir(workingDir);
    Object.assign(process.env, env);
    routeConnections(routes);
    const { href } = pathToFileURL(entry);
    sharing.enter(href);
    heedSourceMaps(entry);
    current = await loadFunction(href);
    const loadedMs = Date.now();
    if (!isTrial) await current.init?.();
    await sharing.settle();
    say({ kind: 'ready', loadedMs });
    setTimeout(flushCompileCache, KEEP_COMPILED_AFTER_MS).unref();
  } catch (error) {
    printError(error);
    const root = rootOf(entry, workingDir);
    const isUnread = isTrial && error instanceof SyntaxError;
    const place = placeOf(error, root) ?? (isUnread ? syntaxPlaceOf(entry, root) : undefined);
    say({
      kind: 'invalid',
      reason: place === undefined ? messageOf(error) : `${messageOf(error)} (${place})`,
    });
    process.disconnect();
    process.exit(1);
  }
}

/** What is being answered is answered, then the function may tidy up; the platform ends it when that takes too long. */
async function stop(): Promise<void> {
  try {
    for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
    server.close();
    server.closeIdleConnections();
    if (open.size > 0) await drained.promise;
    await current.shutdown?.();
    process.exit(0);
  } catch (error) {
    printError(error);
    process.exit(1);
  }
}
