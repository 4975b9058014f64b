import type { LogOptions, LogReader } from '../apiserver/api-server.ts';
import type { LogFiles } from '../serving/runtime/process/log-files.ts';

/** `kubectl logs`: what an instance has printed, and, when followed, what it prints until the reader goes. */
export function podLogs(files: LogFiles): LogReader {
  return {
    read({ name, container }, options) {
      if (container === 'queue-proxy') return nothing();
      return files.read(name) === undefined && !options.isFollowed ? undefined : stream(files, name, options);
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* stream(
  files: LogFiles,
  instance: string,
  { tailLines, isFollowed, signal }: LogOptions,
): AsyncGenerator<Uint8Array> {
  const unread: Buffer[] = [];
  let wake: (() => void) | undefined;
  const unfollow = files.follow(instance, (chunk) => {
    unread.push(chunk);
    wake?.();
  });
  signal.addEventListener('abort', () => wake?.());
  try {
    yield lastLines(files.read(instance) ?? Buffer.alloc(0), tailLines);
    while (isFollowed && !signal.aborted) {
      yield Buffer.concat(unread.splice(0));
      if (unread.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    unfollow();
  }
}

function lastLines(text: Buffer, count: number | undefined): Buffer {
  if (count === undefined) return text;
  let at = text.length - 1; // the last byte ends the last line
  for (let lines = 0; lines < count && at > 0; lines += 1) at = text.lastIndexOf(10, at - 1);
  return count === 0 ? Buffer.alloc(0) : text.subarray(at <= 0 ? 0 : at + 1);
}
