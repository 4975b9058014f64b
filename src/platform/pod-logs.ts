import type { LogOptions, LogReader } from '../apiserver/verbs/pod-log.ts';
import type { LogFiles } from '../serving/runtime/process/log-files.ts';

/** `kubectl logs`: what an instance has printed, and, when followed, what it prints until it ends or the reader goes. */
export function podLogs(files: LogFiles): LogReader {
  return {
    read({ name, container }, options) {
      if (container === 'queue-proxy') return nothing();
      const log = logOf(files, name, container);
      return files.read(log) === undefined && !options.isFollowed ? undefined : stream(files, log, options);
    },
  };
}

/** Of an instance with one container the log is under its own name, of others each has one (process-runtime.ts). */
function logOf(files: LogFiles, pod: string, container: string | undefined): string {
  const own = `${pod}.${container}`;
  return container !== undefined && (files.has(own) || !files.has(pod)) ? own : pod;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** What a follower has not read yet may be so large; what comes beyond is left out, and the follower is told so. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;

async function* stream(
  files: LogFiles,
  instance: string,
  { tailLines, isFollowed, signal }: LogOptions,
): AsyncGenerator<Uint8Array> {
  const unread: Buffer[] = [];
  let unreadBytes = 0;
  let lostBytes = 0;
  let isOver = false;
  let wake: (() => void) | undefined;
  const more = (chunk: Buffer): void => {
    if (unreadBytes + chunk.length > UNREAD_BYTES_MAX) lostBytes += chunk.length;
    else {
      unread.push(chunk);
      unreadBytes += chunk.length;
    }
    wake?.();
  };
  const end = (): void => {
    isOver = true;
    wake?.();
  };
  const unfollow = files.follow(instance, more, end);
  signal.addEventListener('abort', end);
  try {
    yield lastLines(files.read(instance) ?? Buffer.alloc(0), tailLines);
    while (isFollowed && !signal.aborted) {
      if (lostBytes > 0) unread.push(Buffer.from(`… ${lostBytes} bytes were printed faster than read\n`));
      const next = unread.splice(0);
      [unreadBytes, lostBytes] = [0, 0];
      if (next.length > 0) yield Buffer.concat(next);
      else if (isOver) return;
      else await new Promise<void>((resolve) => (wake = resolve));
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
