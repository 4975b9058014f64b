import { connect, type Socket } from 'node:net';

/** A client that sends exactly the bytes it is given, and keeps what comes back. */
export class RawSocket {
  readonly socket: Socket;
  #received = '';
  #isClosed = false;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => (this.#received += chunk.toString('latin1')));
    this.socket.on('error', () => undefined); // 'close' follows
    this.socket.on('close', () => (this.#isClosed = true));
    this.socket.on('end', () => this.socket.end());
  }

  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The statuses of all answers so far, in order. */
  get statuses(): readonly number[] {
    return [...this.#received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  send(text: string | Uint8Array): this {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    return this;
  }

  close(): void {
    this.socket.destroy();
  }
}
