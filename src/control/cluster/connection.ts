import { Agent as HttpAgent, request as httpRequest, type Agent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Credentials } from './credentials.ts';

export type Asked = {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
};

const DEADLINE_MS = 30_000;
/** A page of a list is the largest answer: objects have at most 1.5 MiB each. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const KEEPALIVE_MS = 15_000;

/**
 * An API server by HTTP. Its refusals are PlatformErrors with the reason of its Status in capitals for a code, and its own
 * words; CLUSTER_UNREACHABLE is one that does not answer, or not as an API server does.
 */
export class Connection {
  readonly #credentials: Credentials;
  readonly #agent: Agent;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
    const isPlain = credentials.server.startsWith('http:');
    const own = { keepAlive: true, maxFreeSockets: 2 };
    this.#agent =
      credentials.proxyAgent ??
      (isPlain ? new HttpAgent(own) : new HttpsAgent({ ...own, ...credentials.tls }));
  }

  get server(): string {
    return this.#credentials.server;
  }

  get user(): string {
    return this.#credentials.user;
  }

  /** The answer to one request, parsed. */
  async ask<Answer>(asked: Asked): Promise<Answer> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const signal = asked.signal === undefined ? deadline : AbortSignal.any([deadline, asked.signal]);
    try {
      const response = await this.open({ ...asked, signal });
      return parsed(this.server, await bodyOf(response)) as Answer; // as its kind says; readers look before they use
    } catch (error) {
      if (!deadline.aborted) throw error;
      throw unreachable(this.server, `no answer within ${DEADLINE_MS / 1000} s`);
    }
  }

  /** The answer of a 2xx, still to be read; anything else is thrown. */
  async open(asked: Asked): Promise<IncomingMessage> {
    const response = await this.#send(asked);
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw refusal(this.server, statusCode, await bodyOf(response));
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send({ method = 'GET', path, body, signal }: Asked): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(await this.#credentials.headers()),
      accept: 'application/json',
      'user-agent': 'millrace',
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
    };
    const send = this.server.startsWith('http:') ? httpRequest : httpsRequest;
    const options = { method, headers, agent: this.#agent, ...(signal !== undefined && { signal }) };
    return new Promise((resolve, reject) => {
      const request = send(new URL(this.server + path), options, resolve);
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEPALIVE_MS));
      request.on('error', (error) =>
        reject(signal?.aborted ? error : unreachable(this.server, messageOf(error), error)),
      );
      request.end(text);
    });
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX)
      throw unreachable('the server', `its answer has more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(server: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreachable(server, 'its answer is no JSON, as an API server would give', error);
  }
}

/** Reasons of a Status that mean the same as one with another name. */
const CODES: Readonly<Record<string, string>> = { GONE: 'EXPIRED' };
const REASONS: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOTFOUND',
  409: 'CONFLICT',
  410: 'EXPIRED',
};

/** What a server that says no says: the error of a Status, or of the HTTP code where there is none. */
export function refusal(server: string, httpCode: number, text: string): PlatformError {
  const { reason = '', message = '' } = statusIn(text);
  const named = reason.toUpperCase();
  const code = CODES[named] ?? (named || REASONS[httpCode]) ?? 'CLUSTER_UNREACHABLE';
  const said = message === '' ? `${server} answered ${httpCode}` : message;
  const retryable = httpCode >= 429 || code === 'CONFLICT' || code === 'EXPIRED';
  return new PlatformError(code, said, { retryable });
}

function statusIn(text: string): { reason?: string; message?: string } {
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read !== 'object' || read === null) return {};
    const { reason, message } = read as { reason?: unknown; message?: unknown };
    return {
      ...(typeof reason === 'string' && { reason }),
      ...(typeof message === 'string' && { message }),
    };
  } catch {
    return {};
  }
}

export function unreachable(server: string, why: string, cause?: unknown): PlatformError {
  return new PlatformError('CLUSTER_UNREACHABLE', `${server}: ${why}`, { retryable: true, cause });
}
