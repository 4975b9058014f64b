import {
  createServer,
  Http2ServerRequest,
  Http2ServerResponse,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { HEADER_BYTES_MAX, HEADERS_MAX } from './header-limit.ts';

/** One request that came in by HTTP/2. */
export type Http2Call = {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, those of HTTP/2 itself (`:path`) first. */
  readonly rawHeaders: readonly string[];
  /** The address at the other end of the connection. */
  readonly peer: string;
  /** It came by TLS. */
  readonly isSecure: boolean;
};

/** Requests at a time on one connection; Go's server has the same number. */
const STREAMS_MAX = 250;
/** What a client may have sent of one request before somebody reads it; and of all on a connection, under way. */
const STREAM_WINDOW = 64 * 1024;
const CONNECTION_WINDOW = 1024 * 1024;
/** Resets by the client: so many at once, then so many a second; beyond, the connection ends (CVE-2023-44487). */
const RESETS_BURST = 1000;
const RESETS_PER_SECOND = 100;
/** A connection without a request ends after so long without a frame. */
const IDLE_MS = 600_000;

/** HTTP/2 on connections that somebody else accepted: without TLS where the client knew beforehand, else agreed on in its handshake. */
export class Http2Front {
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #settingsTimeoutMs: number;

  constructor(onCall: (call: Http2Call) => void, settingsTimeoutMs: number) {
    this.#settingsTimeoutMs = settingsTimeoutMs;
    this.#server = createServer({
      settings: {
        maxConcurrentStreams: STREAMS_MAX,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: HEADER_BYTES_MAX,
      },
      maxHeaderListPairs: HEADERS_MAX,
      maxSessionInvalidFrames: 100,
      streamResetBurst: RESETS_BURST,
      streamResetRate: RESETS_PER_SECOND,
      strictSingleValueFields: false,
    });
    this.#server.on('session', (session) => this.#open(session, onCall));
    this.#server.on('sessionError', () => undefined); // its streams have ended, each telling its own caller
  }

  take(socket: Socket): void {
    socket.allowHalfOpen = false; // a client that closes its half waits for no answer
    this.#server.emit('connection', socket);
  }

  /** Tells all clients to send nothing new; each connection ends with its last request. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }

  #open(session: ServerHttp2Session, onCall: (call: Http2Call) => void): void {
    const peer = session.socket.remoteAddress ?? 'unknown';
    const isSecure = session.encrypted === true;
    let open = 0;
    this.#sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    const late = setTimeout(() => session.destroy(), this.#settingsTimeoutMs);
    session.once('remoteSettings', () => clearTimeout(late));
    session.once('close', () => {
      clearTimeout(late);
      this.#sessions.delete(session);
    });
    session.setTimeout(IDLE_MS, () => {
      if (open === 0) session.close();
    });
    session.on('stream', (stream, headers, _flags, rawHeaders) => {
      open += 1;
      stream.on('close', () => (open -= 1));
      stream.on('error', ignore); // 'close' follows, and is heard where it counts
      onCall({ stream, headers, rawHeaders, peer, isSecure });
    });
  }
}

function ignore(): void {}

export type CallFault = { readonly code: 400 | 501; readonly reason: string };

/** What node:http2 lets through and a careful server does not (RFC 9113, 8.3.1 and 8.5). */
export function faultInCall({ headers }: Http2Call): CallFault | undefined {
  const { ':method': method, ':path': path = '', ':authority': authority, host } = headers;
  if (method === 'CONNECT') return { code: 501, reason: 'CONNECT is not served here' };
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS'))
    return { code: 400, reason: 'the request target must be a path' };
  if (authority !== undefined && host !== undefined && authority !== host)
    return { code: 400, reason: 'host and :authority differ' };
  return undefined;
}

/** The same request in the shape that HTTP/1.1 has in Node, for those who know only that. */
export function inShapeOfHttp1({ stream, headers, rawHeaders }: Http2Call): {
  readonly request: Http2ServerRequest;
  readonly response: Http2ServerResponse;
} {
  const host = headers[':authority'] ?? headers.host ?? '';
  const raw = ['host', host];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
    if (!name.startsWith(':') && name !== 'host') raw.push(name, value);
  }
  const request = new Http2ServerRequest(stream, { ...headers, host }, {}, raw);
  return { request, response: new ShapedResponse(stream) };
}

/** Node warns of headers of the connection, which handlers of HTTP/1.1 may well set. */
class ShapedResponse extends Http2ServerResponse {
  override writeHead(code: number, headers?: unknown): this {
    const { connection: _, ...others } = Object(headers) as OutgoingHttpHeaders;
    return super.writeHead(code, others);
  }
}
