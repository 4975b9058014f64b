import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { messageOf } from '../base/errors.ts';
import { EXIT, UserError } from './command.ts';

export type Posted = { readonly id: string; readonly code: number; readonly answer: string };
export type Post = {
  readonly url: string;
  readonly host: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

const ANSWER_BYTES = 4096;
const TIMEOUT_MS = 60_000;

/** Makes one POST; `id` is what the answer is reported with. */
export function post({ url, host, headers, body }: Post, id: string): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const named = host === undefined ? {} : { host };
    const outgoing = httpRequest(
      url,
      {
        method: 'POST',
        headers: { ...headers, ...named, 'content-length': body.length },
        timeout: TIMEOUT_MS,
      },
      (response) => {
        let answer = '';
        response.on('data', (chunk: Buffer) => {
          if (answer.length < ANSWER_BYTES) answer += chunk.toString();
        });
        response.on('end', () => resolve({ id, code: response.statusCode ?? 0, answer: answer.trim() }));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    outgoing.on('error', (error) =>
      reject(new UserError('MR0049', `${url} does not answer`, { why: messageOf(error), exit: EXIT.failed })),
    );
    outgoing.end(body);
  });
}

export function readFileOr(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError('MR0044', `${file} cannot be read`, { why: messageOf(error), exit: EXIT.notFound });
  }
}
