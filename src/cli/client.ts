import { existsSync, readFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { EXIT, UserError, type CommandContext } from './command.ts';
import { dataDirOf } from './flags.ts';

export type RunFile = {
  readonly pid: number;
  readonly version: string;
  readonly dataDir: string;
  readonly kubeconfig: string;
  readonly endpoints: {
    readonly api: string;
    readonly gateway: string;
    readonly events: string;
    readonly dashboard: string;
  };
};

type Credentials = {
  readonly server: string;
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
};

/** What runs on a data folder, by its run file; undefined when nothing does. */
export function runningOn(dataDir: string): RunFile | undefined {
  const file = join(dataDir, 'run.json');
  if (!existsSync(file)) return undefined;
  const run = JSON.parse(readFileSync(file, 'utf8')) as RunFile; // written by the platform
  try {
    process.kill(run.pid, 0);
    return run;
  } catch {
    return undefined; // it was killed, and left its file
  }
}

export function notRunning(where: string): UserError {
  return new UserError('MR0010', `no platform is running (${where})`, {
    fix: 'millrace up',
    exit: EXIT.notFound,
  });
}

/** Asks the API of a platform, with the credentials in its kubeconfig. */
export class ApiClient {
  readonly #credentials: Credentials;
  readonly run: RunFile | undefined;

  private constructor(credentials: Credentials, run: RunFile | undefined) {
    this.#credentials = credentials;
    this.run = run;
  }

  /** By `--data-dir` (or its default), else by KUBECONFIG; throws the error of exit 3 when neither leads anywhere. */
  static async open(context: CommandContext, dataDirFlag: unknown): Promise<ApiClient> {
    const dataDir = dataDirOf(context, dataDirFlag);
    const run = runningOn(dataDir);
    const kubeconfig = run?.kubeconfig ?? (dataDirFlag === undefined ? context.env['KUBECONFIG'] : undefined);
    if (kubeconfig === undefined || !existsSync(kubeconfig)) throw notRunning(`data folder ${dataDir}`);
    return new ApiClient(await readKubeconfig(kubeconfig), run);
  }

  async get<T>(path: string): Promise<T> {
    return (await this.#json('GET', path, undefined)) as T;
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    return (await this.#json('POST', path, body)) as T;
  }

  /** A JSON merge patch. */
  async patch<T>(path: string, body: unknown): Promise<T> {
    return (await this.#json('PATCH', path, body)) as T;
  }

  async delete(path: string): Promise<unknown> {
    return this.#json('DELETE', path, undefined);
  }

  /** Lines of JSON as they come, until the stream ends or `signal` aborts. */
  async *follow<T>(path: string, signal: AbortSignal): AsyncGenerator<T> {
    for await (const line of this.lines(path, signal)) if (line !== '') yield JSON.parse(line) as T;
  }

  /** Lines as they come, until the stream ends or `signal` aborts; throws on an answer that is an error. */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const response = await this.#send('GET', path, undefined, signal);
    if (isError(response)) throw refusal(response, await jsonOf(response));
    let text = '';
    try {
      for await (const chunk of response) {
        text += String(chunk);
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        yield* lines;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #json(method: string, path: string, body: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body, undefined);
    const value = await jsonOf(response);
    if (isError(response)) throw refusal(response, value);
    return value;
  }

  #send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const { server, ca, cert, key } = this.#credentials;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      accept: 'application/json',
      ...(text !== undefined && {
        'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
    };
    const options: RequestOptions = {
      method,
      ca,
      cert,
      key,
      headers,
      agent: false,
      ...(signal !== undefined && { signal }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = httpsRequest(`${server}${path}`, options, resolve);
      outgoing.on('error', (error) =>
        reject(
          new UserError('MR0012', `the platform at ${server} does not answer`, {
            why: messageOf(error),
            fix: 'millrace status',
            exit: EXIT.notFound,
          }),
        ),
      );
      outgoing.end(text);
    });
  }
}

const isError = ({ statusCode = 500 }: IncomingMessage): boolean => statusCode >= 400;

async function jsonOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function refusal({ statusCode }: IncomingMessage, status: unknown): UserError {
  const exit = statusCode === 404 ? EXIT.notFound : statusCode === 409 ? EXIT.conflict : EXIT.failed;
  return new UserError('MR0011', String(Reflect.get(Object(status), 'message')), { exit });
}

async function readKubeconfig(file: string): Promise<Credentials> {
  const { parse } = await import('yaml');
  const config: unknown = parse(readFileSync(file, 'utf8'));
  const at = (...path: (string | number)[]): unknown =>
    path.reduce((value: unknown, name) => Reflect.get(Object(value), name), config);
  const decoded = (...path: (string | number)[]): Buffer => Buffer.from(String(at(...path)), 'base64');
  const server = at('clusters', 0, 'cluster', 'server');
  if (typeof server !== 'string')
    throw new UserError('MR0013', `${file} names no cluster`, { exit: EXIT.failed });
  return {
    server,
    ca: decoded('clusters', 0, 'cluster', 'certificate-authority-data'),
    cert: decoded('users', 0, 'user', 'client-certificate-data'),
    key: decoded('users', 0, 'user', 'client-key-data'),
  };
}

export const PLATFORM_API = '/apis/platform.millrace.dev/v1alpha1';
