import type { Readable } from 'node:stream';

/** Where the output of instances goes; `stream` tells the two apart. */
export interface LogSink {
  /** What `instance` prints comes next; it is one of `revision`. */
  begin?(instance: string, revision: { readonly namespace: string; readonly revision: string }): void;
  write(instance: string, stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** Nothing more comes. */
  ended?(instance: string): void;
}

const TAIL_BYTES = 2048;
const TAIL_LINES = 5;
/** One that prints faster than 10 MiB a second waits for its own pipe, and takes no time from others (P7). */
const WINDOW_MS = 100;
const WINDOW_BYTES = 1024 * 1024;

type Streams = { readonly stdout: Readable | null; readonly stderr: Readable | null };

/** What one process prints: passed on, the last of it kept for whoever asks how it ended. */
export class Output {
  readonly #streams: Streams;
  #write: ((stream: 'stdout' | 'stderr', chunk: Buffer) => void) | undefined;
  #tail = Buffer.alloc(0);
  #windowEndMs = 0;
  #windowBytes = 0;

  constructor(streams: Streams) {
    this.#streams = streams;
    for (const stream of ['stdout', 'stderr'] as const) {
      streams[stream]?.on('data', (chunk: Buffer) => this.#print(stream, chunk));
    }
  }

  sendTo(sink: LogSink, instance: string): void {
    this.#write = (stream, chunk) => sink.write(instance, stream, chunk);
  }

  /** The last two kilobytes. */
  get tail(): string {
    return this.#tail.toString();
  }

  /** The last lines, as the end of a sentence; empty when it has printed nothing. */
  get said(): string {
    const lines = this.#tail.toString().trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
    return lines === '' ? '' : `; it printed last:\n${lines}`;
  }

  #print(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    this.#write?.(stream, chunk);
    this.#hold(chunk.byteLength);
  }

  #hold(bytes: number): void {
    const nowMs = performance.now();
    if (nowMs >= this.#windowEndMs) [this.#windowEndMs, this.#windowBytes] = [nowMs + WINDOW_MS, 0];
    this.#windowBytes += bytes;
    if (this.#windowBytes < WINDOW_BYTES) return;
    const { stdout, stderr } = this.#streams;
    for (const each of [stdout, stderr]) each?.pause();
    setTimeout(() => {
      for (const each of [stdout, stderr]) each?.resume();
    }, this.#windowEndMs - nowMs);
  }
}
