import type { SdkEvent } from '../../../../events/sdk.ts';
import type { SdkSource } from './share-sdk.ts';

export type Answer = {
  readonly code: number;
  readonly headers: Readonly<Record<string, unknown>>; // by lower-case name
  readonly body: Buffer | string;
};

export const TEXT = { 'content-type': 'text/plain; charset=utf-8' };
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const BYTES = { 'content-type': 'application/octet-stream' };

/**
 * What a function's return value is answered with (contract: the table of what is returned). `isEvent`: an event is being
 * answered, so that a CloudEvent is a reply. Throws on what HTTP cannot carry, a status of 99 or a BigInt.
 */
export function answerOf(value: unknown, isEvent: boolean, source: SdkSource): Answer {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) {
    return { code: 204, headers: {}, body: '' };
  }
  if (typeof value === 'string') return { code: 200, headers: TEXT, body: value };
  if (value instanceof Uint8Array) return { code: 200, headers: BYTES, body: bytes(value) };
  if (isSdkEvent(value, source))
    return isEvent ? reply(value, source.Http) : { code: 200, headers: JSON_TYPE, body: jsonOf(value) };
  if (typeof value !== 'object') return { code: 200, headers: JSON_TYPE, body: jsonOf(value) };
  return objectAnswer(value);
}

function objectAnswer(value: object): Answer {
  const code = statusOf(Reflect.get(value, 'statusCode'));
  const headers = lowerCased(Reflect.get(value, 'headers'));
  const body: unknown = Reflect.get(value, 'body');
  // As upstream: what was typed otherwise is JSON all the same, since it is the whole value that is sent.
  if (body === undefined) return { code, headers: { ...headers, ...JSON_TYPE }, body: jsonOf(value) };
  if (body === null) return { code, headers, body: '' };
  if (typeof body === 'string') return { code, headers: { ...TEXT, ...headers }, body };
  if (body instanceof Uint8Array) return { code, headers: { ...BYTES, ...headers }, body: bytes(body) };
  return { code, headers: { ...JSON_TYPE, ...headers }, body: jsonOf(body) };
}

/** By class, or by the name of the class: a bundle may bring another copy of the SDK. */
function isSdkEvent(value: unknown, source: SdkSource): value is SdkEvent {
  return source.isInstance(value) || Object(value).constructor?.name === 'CloudEvent';
}

function reply(event: SdkEvent, { binary }: SdkSource['Http']): Answer {
  const { headers, body } = binary(event);
  const data: unknown = body ?? '';
  return {
    code: 200,
    headers: lowerCased(headers),
    body: data instanceof Uint8Array ? bytes(data) : typeof data === 'string' ? data : jsonOf(data),
  };
}

function statusOf(written: unknown): number {
  if (written === undefined || written === null || written === 0) return 200;
  const status = typeof written === 'string' && /^\d{3}$/.test(written) ? Number(written) : written;
  if (typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw new Error(`the function returned statusCode ${JSON.stringify(written)}, which is no HTTP status`);
}

function jsonOf(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new Error(`the function returned a ${typeof value}, which has no JSON`);
  return text;
}

function lowerCased(headers: unknown): Record<string, unknown> {
  const entries = typeof headers === 'object' && headers !== null ? Object.entries(headers) : [];
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}

const bytes = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);
