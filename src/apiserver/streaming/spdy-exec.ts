import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { runExec, type ExecOptions } from './exec.ts';
import type { RunningCommand } from './pod-access.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';
import { resize } from './websocket-exec.ts';

/** kubelet's: a client that has not opened its streams by then opens none. */
const STREAMS_WITHIN_MS = 30_000;

/** `v4.channel.k8s.io` over SPDY/3.1: one stream for each of a command's (clients before kubectl 1.30 know no other). */
export async function execOverSpdy(
  transport: Duplex,
  running: RunningCommand,
  options: ExecOptions,
): Promise<void> {
  const wanted = streamsOf(options);
  const opened = new Map<string, SpdyStream>();
  const all = Promise.withResolvers<boolean>();
  const connection = new SpdyConnection(transport, (stream) => {
    const type = stream.headers.get('streamtype') ?? '';
    if (!wanted.includes(type) || opened.has(type)) return void stream.destroy();
    opened.set(type, stream);
    if (opened.size === wanted.length) all.resolve(true);
  });
  const timer = setTimeout(() => all.resolve(false), STREAMS_WITHIN_MS);
  const gone = new AbortController();
  const served = connection.serve().then(() => {
    gone.abort();
    all.resolve(false);
  });
  const isComplete = await all.promise;
  clearTimeout(timer);
  if (isComplete) await join(running, opened, gone.signal);
  connection.close();
  await served;
}

function streamsOf({ hasStdin, hasStdout, hasStderr, hasTerminal }: ExecOptions): readonly string[] {
  return [
    'error',
    ...(hasStdin ? ['stdin'] : []),
    ...(hasStdout ? ['stdout'] : []),
    ...(hasStderr ? ['stderr'] : []),
    ...(hasTerminal ? ['resize'] : []),
  ];
}

async function join(
  running: RunningCommand,
  opened: ReadonlyMap<string, SpdyStream>,
  gone: AbortSignal,
): Promise<void> {
  const sizes = opened.get('resize');
  if (sizes !== undefined)
    createInterface({ input: sizes }).on('line', (line) => resize(running, Buffer.from(line)));
  const told = Promise.withResolvers<void>();
  await runExec(running, {
    stdin: opened.get('stdin'),
    stdout: opened.get('stdout'),
    stderr: opened.get('stderr'),
    gone,
    finish(status) {
      opened.get('stdout')?.end();
      opened.get('stderr')?.end();
      const error = opened.get('error');
      if (error === undefined || error.destroyed) return told.resolve();
      error.end(JSON.stringify(status), () => told.resolve());
      error.once('close', () => told.resolve());
    },
  });
  await told.promise;
}
