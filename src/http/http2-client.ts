import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
} from 'node:http2';
import { PlatformError } from '../base/errors.ts';
import { HEADER_BYTES_MAX, HEADERS_MAX } from './header-limit.ts';

/** A peer that says nothing of HTTP/2 by then does not speak it. */
const SETTINGS_TIMEOUT_MS = 2000;
/** Requests at a time on one connection, where the peer allows more. */
const STREAMS_MAX = 1000;
/** Connections to one peer; a second one is opened only when the first is full. */
const SESSIONS_MAX = 100;

type Lane = { readonly session: ClientHttp2Session; open: number; max: number };

/**
 * HTTP/2 without TLS to one address, connected when first asked, and again when a connection has ended.
 *   T1  a connection never has more requests than its peer's SETTINGS allow, which are waited for; when it is full
 *       another is opened.
 *   T2  a connection that its peer is closing (GOAWAY) gets nothing new, and ends with its last request.
 */
export class Http2Client {
  readonly #origin: string;
  #lanes: readonly Lane[] = [];
  #connecting: Promise<void> | undefined;
  #isSpoken: boolean | undefined;
  #isDestroyed = false;

  constructor(host: string, port: number) {
    this.#origin = `http://${host}:${port}`;
  }

  /** Whether the peer has been seen to speak HTTP/2, or not to; undefined: it has not been asked. */
  get isSpoken(): boolean | undefined {
    return this.#isSpoken;
  }

  /** Begins a request at once; undefined: no connection has room, and `connect()` makes some (T1). */
  tryRequest(
    headers: readonly string[],
    options: ClientSessionRequestOptions,
  ): ClientHttp2Stream | undefined {
    const lane = this.#lanes.find(hasRoom);
    if (lane === undefined) return undefined;
    const stream = lane.session.request(headers, options);
    lane.open += 1;
    stream.on('close', () => (lane.open -= 1));
    return stream;
  }

  /**
   * Resolves when a connection has room; several that ask together share it. Rejects with HTTP2_NOT_SPOKEN when the
   * peer answers in another protocol or not at all, HTTP2_FULL, or HTTP2_UNREACHABLE when there is no connecting to it.
   */
  async connect(): Promise<void> {
    if (this.#lanes.some(hasRoom)) return;
    this.#connecting ??= this.#open().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  destroy(): void {
    this.#isDestroyed = true;
    for (const { session } of this.#lanes) session.destroy();
  }

  async #open(): Promise<void> {
    if (this.#isDestroyed) throw unreachable(this.#origin, undefined);
    if (this.#lanes.length >= SESSIONS_MAX)
      throw new PlatformError('HTTP2_FULL', `${this.#origin} has no room for another request`, {
        retryable: true,
      });
    const session = connect(this.#origin, {
      settings: { enablePush: false, maxHeaderListSize: HEADER_BYTES_MAX },
      maxHeaderListPairs: HEADERS_MAX,
    });
    session.on('error', () => undefined); // after #greeted: its streams tell of it
    await this.#greeted(session);
    const lane = { session, open: 0, max: roomOf(session) };
    session.on('remoteSettings', () => (lane.max = roomOf(session)));
    session.once('close', () => (this.#lanes = this.#lanes.filter((each) => each !== lane))); // T2
    this.#lanes = [...this.#lanes, lane];
  }

  /** Resolves with the peer's SETTINGS. */
  #greeted(session: ClientHttp2Session): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => session.destroy(), SETTINGS_TIMEOUT_MS);
      let fault: Error | undefined;
      let isConnected = false;
      session.once('connect', () => (isConnected = true));
      session.once('error', (error) => (fault = error));
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        this.#isSpoken = true;
        resolve();
      });
      session.once('close', () => {
        clearTimeout(timer);
        if (!isConnected || this.#isSpoken === true) return reject(unreachable(this.#origin, fault));
        this.#isSpoken = false;
        reject(notSpoken(this.#origin, fault));
      });
    });
  }
}

function hasRoom({ session, open, max }: Lane): boolean {
  return open < max && !session.closed && !session.destroyed;
}

function roomOf({ remoteSettings }: ClientHttp2Session): number {
  return Math.min(remoteSettings.maxConcurrentStreams ?? STREAMS_MAX, STREAMS_MAX);
}

function unreachable(origin: string, cause: Error | undefined): PlatformError {
  const why = cause?.message ?? 'the connection was closed';
  return new PlatformError('HTTP2_UNREACHABLE', `no connection to ${origin}: ${why}`, {
    retryable: true,
    cause,
  });
}

function notSpoken(origin: string, cause: Error | undefined): PlatformError {
  return new PlatformError('HTTP2_NOT_SPOKEN', `${origin} does not speak HTTP/2`, {
    retryable: false,
    cause,
  });
}
