import { PassThrough, Writable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { runExec, type ExecOptions, type ExecStatus } from './exec.ts';
import type { RunningCommand } from './pod-access.ts';

/** The first byte of each message (apimachinery pkg/util/remotecommand). */
const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** Of what a command prints: so much may wait for a client that does not read. */
const UNREAD_BYTES_MAX = 256 * 1024;

/** `v5.channel.k8s.io` and `v4.channel.k8s.io`: all streams of a command in the messages of one WebSocket. */
export async function execOverWebSocket(
  socket: WebSocket,
  running: RunningCommand,
  { hasStdin, hasStdout, hasStderr }: ExecOptions,
): Promise<void> {
  const gone = new AbortController();
  const stdin = new PassThrough();
  socket.on('error', () => undefined); // 'close' follows
  socket.once('close', () => gone.abort());
  stdin.on('drain', () => socket.resume());
  socket.on('message', (message) => {
    const bytes = bytesOf(message);
    const [channel] = bytes;
    const rest = bytes.subarray(1);
    if (channel === CHANNEL.stdin && hasStdin && stdin.writable && !stdin.write(rest)) socket.pause();
    if (channel === CHANNEL.close && rest[0] === CHANNEL.stdin) stdin.end();
    if (channel === CHANNEL.resize) resize(running, rest);
  });
  const out = (channel: number): Writable => new Channel(socket, channel);
  await runExec(running, {
    stdin: hasStdin ? stdin : undefined,
    stdout: hasStdout ? out(CHANNEL.stdout) : undefined,
    stderr: hasStderr ? out(CHANNEL.stderr) : undefined,
    gone: gone.signal,
    finish(status) {
      stdin.destroy();
      socket.resume(); // its answer to the close is to be read
      sendStatus(socket, status);
    },
  });
}

/** Tells of a command that is over, or has not begun, and closes. */
export function sendStatus(socket: WebSocket, status: ExecStatus): void {
  socket.send(Buffer.concat([Buffer.from([CHANNEL.error]), Buffer.from(JSON.stringify(status))]), () =>
    socket.close(1000),
  );
}

class Channel extends Writable {
  readonly #socket: WebSocket;
  readonly #head: Buffer;

  constructor(socket: WebSocket, channel: number) {
    super({ highWaterMark: UNREAD_BYTES_MAX });
    this.#socket = socket;
    this.#head = Buffer.from([channel]);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([this.#head, chunk]), (error) => done(error ?? null));
  }
}

function bytesOf(message: RawData): Buffer {
  if (Array.isArray(message)) return Buffer.concat(message);
  return message instanceof ArrayBuffer ? Buffer.from(message) : message;
}

/** `{"Width": 80, "Height": 24}`; what is something else is passed over. */
export function resize(running: RunningCommand, message: Buffer): void {
  try {
    const size = Object(JSON.parse(message.toString())) as { Width?: unknown; Height?: unknown };
    const { Width: columns, Height: rows } = size;
    if (typeof columns === 'number' && typeof rows === 'number') running.resize(columns, rows);
  } catch {
    // no size: none is set
  }
}
