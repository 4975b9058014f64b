import type { LogOptions, LogReader } from '../apiserver/verbs/pod-log.ts';
import type { LogFiles } from '../serving/runtime/process/log-files.ts';
import type { LogRun } from '../serving/runtime/process/log-runs.ts';
import { lastLines, LineTimes, since } from './log-lines.ts';

/** The platform's own log, among those of instances; no instance can have such a name. */
export const PLATFORM_LOG = '.platform';

/** `kubectl logs`: what a container has printed, and, when followed, what it prints until it ends or the reader goes. */
export function podLogs(files: LogFiles): LogReader {
  return {
    read({ name, container, isPlatform }, options) {
      const log = isPlatform ? PLATFORM_LOG : logOf(files, name, container);
      const run = files.runOf(log, options.isPrevious);
      if (run === undefined && options.isPrevious) return undefined;
      const isKnown = run !== undefined || files.read(log) !== undefined;
      if (isKnown || options.isFollowed) return stream(files, log, run, options);
      return container === 'queue-proxy' ? nothing() : undefined;
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Of an instance with one container the log is under its own name, of others each has one (process-runtime.ts). */
function logOf(files: LogFiles, pod: string, container: string | undefined): string {
  const own = `${pod}.${container}`;
  const isOwn = container === 'queue-proxy' || files.has(own) || !files.has(pod);
  return container !== undefined && isOwn ? own : pod;
}

/** What a follower has not read yet may be so large; what comes beyond is left out, and the follower is told so. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;

/** What `more` brings, until `end`; a bound of it for a reader that is slow. */
class Unread {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #lostBytes = 0;
  #isOver = false;
  #wake: () => void = () => undefined;

  readonly more = (chunk: Buffer): void => {
    if (this.#bytes + chunk.length > UNREAD_BYTES_MAX) this.#lostBytes += chunk.length;
    else {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
    }
    this.#wake();
  };

  readonly end = (): void => {
    this.#isOver = true;
    this.#wake();
  };

  /** What came meanwhile, or comes next; undefined: nothing more does. */
  async next(): Promise<Buffer | undefined> {
    while (this.#bytes === 0 && !this.#isOver) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#bytes === 0) return undefined;
    const lost = this.#lostBytes === 0 ? '' : `… ${this.#lostBytes} bytes were printed faster than read\n`;
    const all = Buffer.concat([...this.#chunks, Buffer.from(lost)]);
    [this.#chunks, this.#bytes, this.#lostBytes] = [[], 0, 0];
    return all;
  }
}

async function* stream(
  files: LogFiles,
  log: string,
  run: LogRun | undefined,
  options: LogOptions,
): AsyncGenerator<Uint8Array> {
  const { isFollowed, signal } = options;
  const unread = new Unread();
  const unfollow = files.follow(log, unread.more, unread.end);
  signal.addEventListener('abort', unread.end);
  // Whoever has ended tells no end any more; nor does one of a former platform.
  if (!isFollowed || run?.isOver === true || (run === undefined && files.has(log))) unread.end();
  const times = options.hasTimestamps ? new LineTimes() : undefined;
  const limit = new Limit(options.limitBytes);
  try {
    yield limit.take(textOf(files, log, run, options, times));
    while (!signal.aborted && !limit.isReached) {
      const next = await unread.next();
      if (next === undefined || signal.aborted) return;
      yield limit.take(times?.stamp(next, () => Date.now()) ?? next);
    }
  } finally {
    unfollow();
    signal.removeEventListener('abort', unread.end);
  }
}

/** What is kept of one run, from where it was asked for. */
function textOf(
  files: LogFiles,
  log: string,
  run: LogRun | undefined,
  { tailLines, sinceMs }: LogOptions,
  times: LineTimes | undefined,
): Buffer {
  const kept = files.read(log) ?? Buffer.alloc(0);
  if (run === undefined) return lastLines(kept, tailLines); // of a former platform: nobody knows when
  const first = run.bytes - kept.length; // what was before has been rotated away
  const own = kept.subarray(Math.max(0, run.from - first), run.to === undefined ? undefined : run.to - first);
  const ownFrom = Math.max(run.from, first);
  const asked = lastLines(sinceMs === undefined ? own : since(own, ownFrom, run.marks, sinceMs), tailLines);
  if (times === undefined) return asked;
  return times.stamp(asked, times.reader(ownFrom + own.length - asked.length, run.marks));
}

/** Ends what is told after so many bytes. */
class Limit {
  #left: number;

  constructor(bytes: number | undefined) {
    this.#left = bytes ?? Number.POSITIVE_INFINITY;
  }

  get isReached(): boolean {
    return this.#left <= 0;
  }

  take(chunk: Buffer): Buffer {
    const taken = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk;
    this.#left -= taken.length;
    return taken;
  }
}
