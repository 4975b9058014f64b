import { pipeline, type Duplex } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import type { PodAccess } from './pod-access.ts';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';

/** Connections that one client forwards at a time. */
const CONNECTIONS_MAX = 256;

type Pod = { readonly namespace: string; readonly name: string };

/**
 * `portforward.k8s.io`: for each connection a client opens two streams with the same `requestID`, one for what goes wrong
 * and one for the bytes.
 */
export async function forwardPorts(transport: Duplex, access: PodAccess, pod: Pod): Promise<void> {
  const errors = new Map<string, SpdyStream>();
  const connection = new SpdyConnection(transport, (stream) => {
    const request = stream.headers.get('requestid') ?? '';
    if (stream.headers.get('streamtype') === 'error') {
      if (errors.size >= CONNECTIONS_MAX) return void stream.destroy();
      errors.set(request, stream);
      stream.once('close', () => errors.delete(request));
      stream.resume();
      return;
    }
    const error = errors.get(request);
    if (error === undefined) return void stream.destroy();
    errors.delete(request); // its number may be used again
    void forward(stream, error, access, pod);
  });
  await connection.serve();
}

async function forward(stream: SpdyStream, error: SpdyStream, access: PodAccess, pod: Pod): Promise<void> {
  const port = Number(stream.headers.get('port'));
  try {
    const target = await access.connect(pod, port);
    pipeline(stream, target, stream, () => error.end());
  } catch (fault) {
    const { namespace, name } = pod;
    error.end(`error forwarding port ${port} to pod ${namespace}/${name}: ${messageOf(fault)}`);
    stream.resume();
    stream.end();
  }
}
