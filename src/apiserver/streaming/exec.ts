import type { Readable, Writable } from 'node:stream';
import type { RunningCommand } from './pod-access.ts';

/** What a client of `exec` asks for, in the query of its request (core/v1 PodExecOptions). */
export type ExecOptions = {
  readonly container: string | undefined;
  readonly command: readonly string[];
  readonly hasStdin: boolean;
  readonly hasStdout: boolean;
  readonly hasStderr: boolean;
  readonly hasTerminal: boolean;
};

/** The client's end, whatever carries it. */
export type ExecStreams = {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Tells how it ended, and ends the connection. */
  readonly finish: (status: ExecStatus) => void;
  /** Aborted when the client goes. */
  readonly gone: AbortSignal;
};
export type ExecStatus = Readonly<Record<string, unknown>>;

const isSet = (value: string | null): boolean => value === 'true' || value === '1';

export function execOptionsOf(query: URLSearchParams): ExecOptions {
  const hasTerminal = isSet(query.get('tty'));
  return {
    container: query.get('container') ?? undefined,
    command: query.getAll('command'),
    hasStdin: isSet(query.get('stdin')),
    hasStdout: isSet(query.get('stdout')),
    hasStderr: isSet(query.get('stderr')) && !hasTerminal,
    hasTerminal,
  };
}

/** Joins a command and its client, and tells the client how it ended once all that it printed has gone out. */
export async function runExec(running: RunningCommand, streams: ExecStreams): Promise<void> {
  const { stdin, stdout, stderr, finish, gone } = streams;
  gone.addEventListener('abort', running.kill, { once: true });
  if (gone.aborted) running.kill();
  running.stdin.on('error', () => undefined); // it has closed its input, or has ended
  if (stdin === undefined) running.stdin.end();
  else stdin.on('error', () => undefined).pipe(running.stdin);
  const told = [passOn(running.stdout, stdout), passOn(running.stderr, stderr)];
  const code = await running.ended;
  await Promise.all(told);
  gone.removeEventListener('abort', running.kill);
  stdin?.unpipe(running.stdin);
  finish(statusOf(code));
}

function passOn(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) return Promise.resolve();
  to?.on('error', () => from.resume()); // nobody reads on
  if (to === undefined) from.resume();
  else from.pipe(to, { end: false });
  return new Promise((resolve) => {
    from.once('close', resolve).once('error', () => resolve());
  });
}

/** Kubernetes' Status of an ended command, on its error stream (client-go tools/remotecommand, v4 and later). */
function statusOf(code: number): ExecStatus {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}
