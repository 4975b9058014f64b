import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { PlatformError } from '../../base/errors.ts';
import { hostFault } from '../../http/host-check.ts';
import { authorise, resourcePath, userOf } from '../request.ts';
import { ApiError, notFound } from '../storage/api-error.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { STREAMED, type PodStreams } from './pod-streams.ts';

export type UpgradeTools = {
  readonly store: SqliteStore;
  readonly streams: PodStreams;
  readonly hosts: ReadonlySet<string>;
};

const POD_PATH = /^\/api\/v1\/namespaces\/[^/]+\/pods\/[^/]+\/([a-z]+)(?:$|\?)/;

/** Whether a request is for a stream of a Pod; all others are answered as if they asked for no other protocol. */
export const isStreamed = ({ url = '' }: IncomingMessage): boolean =>
  STREAMED.includes(POD_PATH.exec(url)?.[1] ?? '');

/** Serves a stream of a Pod, under the same conditions as any request; never rejects. */
export async function upgrade(
  { store, streams, hosts }: UpgradeTools,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => undefined); // 'close' follows, and ends what there is
  try {
    const fault = hostFault(incoming, hosts);
    if (fault !== undefined) throw new ApiError(fault.code, 'Forbidden', fault.reason);
    const { pathname, searchParams: query } = new URL(incoming.url ?? '/', 'https://api');
    const path = resourcePath(pathname);
    authorise({ user: userOf(incoming), method: incoming.method ?? 'GET', path: pathname });
    const kind = store.kinds.byResource('', 'v1', 'pods');
    if (path?.name === undefined || kind === undefined) throw new Error(`${pathname} is no Pod's`); // isStreamed
    const { namespace, name } = path;
    const pod = store.find({ group: '', kind: 'Pod', namespace, name });
    if (pod === undefined) throw notFound(kind, name);
    await streams.serve({ incoming, socket, head, path, query, pod });
  } catch (error) {
    if (error instanceof ApiError) refuse(socket, error);
    else if (error instanceof PlatformError) socket.destroy();
    else throw error;
  }
}

function refuse(socket: Duplex, error: ApiError): void {
  const body = JSON.stringify(error.toStatus());
  const head = [
    `HTTP/1.1 ${error.httpCode} ${STATUS_CODES[error.httpCode]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
