import type { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import { messageOf, PlatformError } from '../../../base/errors.ts';

/** Credentials of a registry, as the engine takes them in `X-Registry-Auth`. */
export type RegistryAuth = {
  readonly username: string;
  readonly password: string;
  readonly serveraddress: string;
};

export type EngineAnswer = { readonly status: number; readonly body: unknown };

/** What is read of GET /containers/{id}/json. */
export type Inspected = {
  readonly Config?: { readonly StopSignal?: string } | null;
  readonly State?: {
    readonly Running?: boolean;
    readonly Pid?: number;
    readonly ExitCode?: number;
    readonly OOMKilled?: boolean;
    readonly Error?: string;
  };
  readonly NetworkSettings?: {
    readonly Ports?: Readonly<Record<string, readonly { readonly HostPort?: string }[] | null>>;
    readonly IPAddress?: string;
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string }>> | null;
  };
};

/** The API that is spoken: of Docker 20.10 and podman 4, or the oldest that a newer engine still takes. */
const API = '1.41';
const ANSWER_TIMEOUT_MS = 30_000;
const VERSION_TIMEOUT_MS = 5000;
const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** A Docker-compatible engine behind a unix socket. Every answer but a stream has a deadline. */
export class Engine {
  readonly socket: string;
  readonly #pool: Pool;
  #api: Promise<string> | undefined;

  constructor(socket: string) {
    this.socket = socket;
    this.#pool = new Pool('http://engine', { socketPath: socket, connections: null, bodyTimeout: 0 });
  }

  /** Undefined when it answers; else why not. */
  async away(): Promise<string | undefined> {
    try {
      await this.#version();
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** What is before each path: the version of the API that both know. Throws EngineUnavailable. */
  api(): Promise<string> {
    this.#api ??= this.#version().catch((error: unknown) => {
      this.#api = undefined; // asked again
      throw error;
    });
    return this.#api;
  }

  /** One question; an answer of any status is a value. Throws EngineUnavailable when there is none. */
  async ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
    { timeoutMs = ANSWER_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
  ): Promise<EngineAnswer> {
    const { statusCode, body: stream } = await this.#request(
      method,
      path,
      body,
      AbortSignal.timeout(timeoutMs),
    );
    try {
      return { status: statusCode, body: parsed(await textOf(stream)) };
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  /** The answer as it comes; ends with `signal`. */
  async stream(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly body: Readable }> {
    const { statusCode, body: stream } = await this.#request(method, path, body, signal, headers);
    return { status: statusCode, body: stream };
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  /** Docker Engine API, SystemVersion. */
  async #version(): Promise<string> {
    const answer = await this.#send('GET', '/version', undefined, AbortSignal.timeout(VERSION_TIMEOUT_MS));
    let body: unknown;
    try {
      body = parsed(await textOf(answer.body));
    } catch (error) {
      throw this.#unavailable(error);
    }
    const { ApiVersion = API, MinAPIVersion = API } = Object(body) as Version;
    if (isBelow(ApiVersion, API))
      throw this.#unavailable(
        new Error(
          `it speaks version ${ApiVersion} of the API, and ${API} is the least: Docker 20.10, podman 4`,
        ),
      );
    return `/v${isBelow(API, MinAPIVersion) ? MinAPIVersion : API}`;
  }

  async #request(
    method: Dispatcher.HttpMethod,
    path: string,
    body: unknown,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Dispatcher.ResponseData> {
    return this.#send(method, (await this.api()) + path, body, signal, headers);
  }

  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    body: unknown,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Dispatcher.ResponseData> {
    try {
      return await this.#pool.request({
        method,
        path,
        signal,
        headersTimeout: 0, // `signal` has the deadline, and a wait has none
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  #unavailable(error: unknown): PlatformError {
    return new PlatformError(
      'EngineUnavailable',
      `the container engine at ${this.socket} does not answer (${messageOf(error)}); start it, or name another with --engine`,
      { retryable: true, cause: error },
    );
  }
}

type Version = { readonly ApiVersion?: string; readonly MinAPIVersion?: string };

/** Of two versions, each two numbers with a dot between. */
function isBelow(one: string, other: string): boolean {
  const [[a = 0, b = 0], [c = 0, d = 0]] = [one.split('.').map(Number), other.split('.').map(Number)];
  return a < c || (a === c && b < d);
}

/** What an engine says of a fault: `{"message": …}`. */
export function faultOf({ status, body }: EngineAnswer): string {
  const message = typeof body === 'object' && body !== null ? (body as { message?: unknown }).message : body;
  return typeof message === 'string' && message !== '' ? message.trim() : `status ${status}`;
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_MAX) throw new Error(`it answers with more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
