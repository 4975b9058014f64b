import { goDuration } from '../../../base/duration.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Engine, RegistryAuth } from './engine.ts';

export type Pull = {
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
  readonly auth: RegistryAuth | undefined;
};

/** Of one line of what a pull tells of its progress. */
const LINE_MAX = 64 * 1024;

/**
 * Why an image could not be pulled; undefined when it was (Docker Engine API 1.41, ImageCreate). A registry that has said
 * nothing within `resolveTimeoutMs` has failed: the first that is told of a pull is what the name was found to mean.
 */
export async function pullImage(
  engine: Engine,
  { repository, reference, auth }: Pull,
  resolveTimeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), resolveTimeoutMs);
  const query = new URLSearchParams({ fromImage: repository, tag: reference });
  const headers =
    auth === undefined
      ? undefined
      : { 'x-registry-auth': Buffer.from(JSON.stringify(auth)).toString('base64url') };
  try {
    const path = `/images/create?${query.toString()}`;
    const bounds = AbortSignal.any([signal, late.signal]);
    const { status, body } = await engine.stream('POST', path, undefined, bounds, headers);
    const fault = await faultIn(body as AsyncIterable<Buffer>, () => clearTimeout(timer));
    if (status < 300) return fault;
    return fault ?? `status ${status}`;
  } catch (error) {
    if (late.signal.aborted)
      return `the registry of ${repository} said nothing within ${goDuration(resolveTimeoutMs)}`;
    if (signal.aborted) return `the pull of ${repository} did not come to its end in time`;
    return messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Of a stream of JSON, a line each: what the last of its faults says; `onProgress` is told of what is none. */
async function faultIn(body: AsyncIterable<Buffer>, onProgress: () => void): Promise<string | undefined> {
  let rest = '';
  let fault: string | undefined;
  const take = (line: string): void => {
    const { error, message, status } = parsed(line);
    const found = [error, message].find((each) => typeof each === 'string');
    if (typeof found === 'string') fault = found.trim();
    else if (typeof status === 'string') onProgress();
  };
  for await (const chunk of body) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = (lines.pop() ?? '').slice(-LINE_MAX);
    for (const line of lines) take(line);
  }
  take(rest);
  return fault;
}

type Line = { readonly error?: unknown; readonly message?: unknown; readonly status?: unknown };

function parsed(line: string): Line {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
