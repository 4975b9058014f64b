import { connect, constants, type ClientHttp2Session } from 'node:http2';

const MESSAGE_BYTES_MAX = 1024;
const SERVING = 1;

/**
 * Asks grpc.health.v1.Health/Check at a loopback port; resolves with undefined when it says SERVING, else with what it
 * said instead. The messages are too small for a library: one string out, one enum back.
 */
export function checkHealth(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const session = connect(`http://${host.includes(':') ? `[${host}]` : host}:${port}`);
  const timer = setTimeout(() => resolve(`no answer within ${timeoutMs} ms`), timeoutMs);
  session.once('error', ({ message }) => resolve(message));
  ask(session, service, resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    session.destroy();
  });
}

function ask(
  session: ClientHttp2Session,
  service: string,
  resolve: (fault: string | undefined) => void,
): void {
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
    [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.34',
  });
  let received = Buffer.alloc(0);
  let status: string | undefined;
  const noteStatus = (headers: Record<string, unknown>): void => {
    const found = headers['grpc-status'];
    if (typeof found === 'string') status = found;
  };
  stream.on('response', noteStatus);
  stream.on('trailers', noteStatus);
  stream.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length > MESSAGE_BYTES_MAX) stream.destroy();
  });
  stream.once('error', ({ message }) => resolve(message));
  stream.once('close', () => resolve(faultOf(status, received)));
  stream.end(requestFor(service));
}

/** A gRPC message: no compression, its length, and HealthCheckRequest { string service = 1 }. */
function requestFor(service: string): Buffer {
  const name = Buffer.from(service);
  const body = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    bytes.push(left > 0x7f ? (left & 0x7f) | 0x80 : left);
    if (left <= 0x7f) return Buffer.from(bytes);
  }
}

/** HealthCheckResponse { ServingStatus status = 1 }; its zero is not sent. */
function faultOf(grpcStatus: string | undefined, received: Buffer): string | undefined {
  if (grpcStatus !== '0') return `grpc-status ${grpcStatus ?? 'missing'}`;
  const body = received.subarray(5);
  const serving = body[0] === 0x08 ? body[1] : 0;
  return serving === SERVING
    ? undefined
    : `it says ${['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'][serving ?? 0]}`;
}
