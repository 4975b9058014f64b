import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Express, NextFunction, Request, Response } from 'express';
import { readBody, type BodyLimits } from './body.ts';
import { answerText, answerUnread } from './respond.ts';

export type WebRequest = {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** The bytes as they came in; nothing has been parsed. */
  readonly body: Buffer;
};

export type WebAnswer = {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
};

export type WebRoute = {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As express writes paths: `/webhooks/:namespace/:source`. */
  readonly path: string;
  readonly answer: (request: WebRequest) => WebAnswer | Promise<WebAnswer>;
};

export type WebAppOptions = {
  readonly routes: readonly WebRoute[];
  readonly limits: BodyLimits;
  /** Told what a route threw; the sender is told nothing of it but 500. */
  readonly onError: (error: unknown) => void;
};

/** Answers what is not hot (webhooks, dashboard, admin). express is loaded here, when the first app is made. */
export async function createWebApp({
  routes,
  limits,
  onError,
}: WebAppOptions): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const { default: express } = await import('express');
  const app: Express = express();
  app.disable('x-powered-by');
  app.enable('case sensitive routing');
  for (const { method, path, answer } of routes) {
    app[method](path, (request: Request, response: Response, next: NextFunction) => {
      run(request, response, limits, answer).catch(next);
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allow = routes.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    app.all(path, (request: Request, response: Response) => {
      answerUnread(request, response, 405, `${request.method} is not taken here`, {
        allow: allow.join(', '),
      });
    });
  }
  app.use((request: Request, response: Response) => {
    answerUnread(request, response, 404, `nothing answers at ${request.path}`);
  });
  // express knows an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    if (error instanceof URIError)
      return answerUnread(request, response, 400, 'the path is not percent-encoded well');
    onError(error);
    answerUnread(request, response, 500, 'internal error');
  });
  return (request, response) => void app(request, response);
}

async function run(
  request: Request,
  response: Response,
  limits: BodyLimits,
  answer: WebRoute['answer'],
): Promise<void> {
  const read = await readBody(request, limits);
  if (read.kind === 'gone') return;
  if (read.kind === 'refused') {
    const later = read.code === 503 ? { 'retry-after': '1' } : {};
    return answerUnread(request, response, read.code, read.reason, later);
  }
  try {
    send(response, await answer(webRequest(request, read.body)));
  } finally {
    limits.budget.give(read.held);
  }
}

function webRequest(request: Request, body: Buffer): WebRequest {
  const { method, path, params, headers, rawHeaders, url } = request;
  const [, query = ''] = url.split('?', 2);
  return { method, path, params, headers, rawHeaders, body, query: new URLSearchParams(query) };
}

function send(response: Response, { code, headers = {}, body = '' }: WebAnswer): void {
  if (typeof body === 'string' && headers['content-type'] === undefined) {
    return answerText(response, code, body, headers);
  }
  response.writeHead(code, { 'content-length': String(Buffer.byteLength(body)), ...headers });
  response.end(body);
}
