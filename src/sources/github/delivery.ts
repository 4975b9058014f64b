import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { isHex } from '../../events/syntax.ts';
import { headerOnce, mediaTypeOf, type DoorRequest } from '../door/door-source.ts';

/** One delivery of GitHub, read and believed. */
export type Delivery = {
  readonly id: string;
  readonly event: string;
  readonly payload: object;
  /** The payload as it was signed; of a form, its decoded `payload` field. */
  readonly body: Uint8Array;
};

export type Refused = { readonly kind: 'refused'; readonly code: 400 | 401 | 415; readonly reason: string };

const refused = (code: Refused['code'], reason: string): Refused => ({ kind: 'refused', code, reason });

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const PAYLOAD = 'payload=';
/** Headers are not signed, and end up in attributes: only what GitHub would write is taken. */
const EVENT_NAME = /^[a-z0-9_]{1,100}$/;
const DELIVERY_ID = /^[\x21-\x7e]{1,256}$/;

/** A delivery as GitHub's API shows it: no bytes that were signed, but GitHub's own word. */
export function readFetched(id: string, event: string, payload: unknown): Delivery | Refused {
  if (!EVENT_NAME.test(event)) return refused(400, 'GitHub names no event');
  if (!DELIVERY_ID.test(id)) return refused(400, 'GitHub names no delivery');
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload))
    return refused(400, 'GitHub shows no payload');
  return { id, event, payload, body: Buffer.from(JSON.stringify(payload)) };
}

/** Whether a request can be a delivery at all, going by its headers. */
export function readHeaders(request: DoorRequest): Pick<Delivery, 'id' | 'event'> | Refused {
  const type = mediaTypeOf(request);
  if (type !== JSON_TYPE && type !== FORM_TYPE)
    return refused(
      415,
      `content type ${JSON.stringify(type)} is not taken; use ${JSON_TYPE} or ${FORM_TYPE}`,
    );
  const event = headerOnce(request, 'x-github-event');
  if (event === undefined) return refused(400, 'the header X-GitHub-Event is missing');
  if (!EVENT_NAME.test(event)) return refused(400, 'the header X-GitHub-Event names no event');
  const id = headerOnce(request, 'x-github-delivery');
  if (id === undefined) return refused(400, 'the header X-GitHub-Delivery is missing');
  if (!DELIVERY_ID.test(id)) return refused(400, 'the header X-GitHub-Delivery is no delivery id');
  return { event, id };
}

/**
 * Whether the signature fits: HMAC-SHA256 over the bytes as they came, in lower-case hexadecimal, compared in constant
 * time (docs.github.com, Validating webhook deliveries). SHA-1 alone is no signature.
 */
export function isSigned(request: DoorRequest, secret: string): boolean {
  const { body } = request;
  const signature = headerOnce(request, 'x-hub-signature-256');
  if (signature === undefined || !/^sha256=[0-9a-f]{64}$/.test(signature)) return false;
  if (body.length === 0) return false;
  const expected = createHmac('sha256', secret).update(body).digest('hex'); // quicker than bytes
  return timingSafeEqual(Buffer.from(signature.slice('sha256='.length)), Buffer.from(expected));
}

/** The payload of a signed request. */
export function readPayload(request: DoorRequest): Pick<Delivery, 'payload' | 'body'> | Refused {
  const body = mediaTypeOf(request) === FORM_TYPE ? payloadField(request.body) : request.body;
  if (body === undefined) return refused(400, 'the form has no field payload');
  if (!isUtf8(body)) return refused(400, 'the payload is not UTF-8');
  const payload = parsed(body);
  if (payload === undefined) return refused(400, 'the payload is no JSON object');
  return { payload, body };
}

/** The value of the first field `payload`, as bytes: decoded as text, what is no UTF-8 would be replaced and pass. */
function payloadField(form: Buffer): Buffer | undefined {
  for (let start = 0, end = 0; start < form.length; start = end + 1) {
    end = form.indexOf('&', start);
    if (end < 0) end = form.length;
    const field = form.subarray(start, end);
    if (field.toString('latin1', 0, PAYLOAD.length) === PAYLOAD)
      return decoded(field.subarray(PAYLOAD.length));
  }
  return undefined;
}

/** Form-decodes as the URL standard does it: `+` is a space, and a `%` without two hex digits stands for itself. */
function decoded(value: Buffer): Buffer {
  const bytes = Buffer.alloc(value.length);
  let length = 0;
  for (let i = 0; i < value.length; i += 1) {
    const byte = value[i] ?? 0;
    const [high, low] = [value[i + 1] ?? 0, value[i + 2] ?? 0];
    const isEscape = byte === 0x25 && isHex(high) && isHex(low);
    bytes[length] = isEscape ? digit(high) * 16 + digit(low) : byte === 0x2b ? 0x20 : byte;
    length += 1;
    if (isEscape) i += 2;
  }
  return bytes.subarray(0, length);
}

const digit = (code: number): number => (code & 0x0f) + (code > 0x39 ? 9 : 0);

function parsed(body: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
