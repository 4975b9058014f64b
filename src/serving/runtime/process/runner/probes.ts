import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../../../../base/errors.ts';
import type { Hook, LoadedFunction } from './load.ts';
import { TEXT } from './returned.ts';

export type Probe = { readonly hook: Hook | undefined };

/** The health probe that a request asks for; undefined when it is the function's to answer. */
export function probeFor(
  { liveness, readiness }: LoadedFunction,
  { method, url }: IncomingMessage,
): Probe | undefined {
  if (method !== 'GET') return undefined;
  const path = url?.split('?')[0];
  if (path === pathOf(liveness, 'LIVENESS_URL', '/health/liveness')) return { hook: liveness };
  return path === pathOf(readiness, 'READINESS_URL', '/health/readiness') ? { hook: readiness } : undefined;
}

function pathOf(hook: Hook | undefined, variable: string, usual: string): string {
  return hook?.path ?? process.env[variable] ?? usual;
}

/**
 * Asks the function's own hook, or answers `OK`. A hook is given Node's request and response, the latter with the methods
 * of upstream's reply; it answers through that, or by what it returns.
 */
export async function answerProbe(
  { hook }: Probe,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  incoming.resume();
  if (hook === undefined) return void response.writeHead(200, TEXT).end('OK');
  try {
    const reply = withReplyMethods(response);
    const returned = hook(incoming, reply);
    const said = await returned;
    // A hook that takes the reply and returns nothing may answer later, from a callback.
    const answersLater = returned === undefined && hook.length > 1;
    if (!response.writableEnded && !answersLater) reply.send(said ?? 'OK');
  } catch (error) {
    if (!response.headersSent) response.writeHead(500, TEXT);
    response.end(messageOf(error));
  }
}

type Reply = ServerResponse & {
  code(status: number): Reply;
  status(status: number): Reply;
  header(name: string, value: string): Reply;
  type(contentType: string): Reply;
  send(payload?: unknown): Reply;
};

function withReplyMethods(response: ServerResponse): Reply {
  const code = (status: number): Reply => {
    reply.statusCode = status;
    return reply;
  };
  const header = (name: string, value: string): Reply => reply.setHeader(name, value);
  const reply: Reply = Object.assign(response, {
    code,
    status: code,
    header,
    type: (contentType: string) => header('content-type', contentType),
    send(payload?: unknown): Reply {
      const isText = typeof payload === 'string';
      if (!reply.hasHeader('content-type'))
        header('content-type', isText ? TEXT['content-type'] : 'application/json; charset=utf-8');
      return reply.end(isText ? payload : payload === undefined ? '' : JSON.stringify(payload));
    },
  });
  return reply;
}
