import { Readable, Writable } from 'node:stream';
import type { Resource } from '../../apis/resource.ts';
import { SELF_LABEL } from '../../apis/core/pod.ts';
import type { LogReader } from '../verbs/pod-log.ts';
import type { RunningCommand } from './pod-access.ts';

/**
 * `kubectl attach`: what a container prints from now on, until it ends; of one that is meant for a single session
 * (`stdinOnce`, as `kubectl run -i` makes it) what it has printed before, too. No program here has an input: what is sent
 * to it goes nowhere. Undefined: no such container has run.
 */
export function attached(
  logs: LogReader,
  { metadata, spec = {} }: AttachedPod,
  container: string | undefined,
): RunningCommand | undefined {
  const { namespace = '', name, labels } = metadata;
  const { containers = [] } = spec;
  const main = container === undefined ? containers[0] : containers.find((each) => each.name === container);
  const stop = new AbortController();
  const chunks = logs.read(
    { namespace, name, container: main?.name ?? container, isPlatform: labels?.[SELF_LABEL] === 'true' },
    {
      tailLines: main?.stdinOnce === true ? undefined : 0,
      limitBytes: undefined,
      sinceMs: undefined,
      hasTimestamps: false,
      isFollowed: true,
      isPrevious: false,
      signal: stop.signal,
    },
  );
  if (chunks === undefined) return undefined;
  const stdout = Readable.from(nonEmpty(chunks), { objectMode: false });
  const ended = Promise.withResolvers<number>();
  stdout.once('close', () => ended.resolve(0)).once('error', () => ended.resolve(1));
  return {
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stdout,
    stderr: undefined, // both are in one file
    ended: ended.promise,
    resize: () => undefined,
    kill: () => {
      stop.abort();
      stdout.destroy();
    },
  };
}

export type AttachedPod = Resource & {
  readonly spec?: {
    readonly containers?: readonly { readonly name?: string; readonly stdinOnce?: boolean }[];
  };
};

async function* nonEmpty(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) if (chunk.length > 0) yield chunk;
}
