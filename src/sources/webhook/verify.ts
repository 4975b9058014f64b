import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { fromBase64 } from '../../events/base64.ts';
import { unreachable } from '../../base/errors.ts';
import { headerOnce, type DoorRequest } from '../door/door-source.ts';
import type { Verification } from './plan.ts';
import {
  fromHex,
  isTime,
  readSlackHeader,
  readStandardHeader,
  readStripeHeader,
  standardKey,
} from './signature-headers.ts';

/** A secret as it is now; `username` of Basic only. */
export type Secret = { readonly value: string; readonly username?: string };

export type Verdict =
  | { readonly kind: 'believed' }
  | { readonly kind: 'refused'; readonly reason: string; readonly challenge?: string };

const BELIEVED: Verdict = { kind: 'believed' };
/** One text for all: who guesses is told nothing of how near the guess was. */
const REFUSED: Verdict = { kind: 'refused', reason: 'the signature is missing or does not fit' };
const NO_TOKEN = 'the token is missing or does not fit';

/**
 * Whether a delivery is believed. Nothing of its body is parsed; what is compared is compared in constant time; any of
 * the secrets will do, so that one can be exchanged while deliveries come.
 */
export function verify(
  verification: Verification,
  secrets: readonly Secret[],
  request: DoorRequest,
  nowMs: number,
): Verdict {
  switch (verification.kind) {
    case 'none':
      return BELIEVED;
    case 'basic':
      return isAny(secrets, (secret) => isBasic(secret, request))
        ? BELIEVED
        : {
            kind: 'refused',
            reason: 'the user name or password is missing or does not fit',
            challenge: 'Basic',
          };
    case 'token': {
      const { header, prefix } = verification;
      if (isAny(secrets, ({ value }) => isToken(value, header, prefix, request))) return BELIEVED;
      const isBearer = header === 'authorization' && /^bearer $/i.test(prefix);
      return { kind: 'refused', reason: NO_TOKEN, ...(isBearer && { challenge: 'Bearer' }) };
    }
    case 'hmac':
      return verifyHmac(verification, secrets, request);
    case 'stripe':
    case 'slack':
    case 'standardWebhooks':
      return verifyTimed(verification, secrets, request, nowMs);
    default:
      return unreachable(verification);
  }
}

type Timed = Extract<Verification, { readonly toleranceMs: number }>;
/** What was signed, in parts, and by what time; the key is made of the secret. */
type Claim = {
  readonly time: string;
  readonly parts: readonly (string | Buffer)[];
  readonly signatures: readonly Buffer[];
};

function verifyTimed(
  verification: Timed,
  secrets: readonly Secret[],
  request: DoorRequest,
  nowMs: number,
): Verdict {
  const claim = claimOf(verification, request);
  if (claim === undefined) return REFUSED;
  const fits = isAny(secrets, ({ value }) => {
    const key = verification.kind === 'standardWebhooks' ? standardKey(value) : value;
    return key !== undefined && hasMac(claim, key);
  });
  if (!fits) return REFUSED;
  // Only whoever has the secret learns of clocks.
  const offMs = Math.abs(nowMs - Number(claim.time) * 1000);
  if (offMs <= verification.toleranceMs) return BELIEVED;
  const reason = `it was signed ${Math.round(offMs / 1000)} s from now, and at most ${verification.toleranceMs / 1000} s are taken`;
  return { kind: 'refused', reason };
}

function claimOf(verification: Timed, request: DoorRequest): Claim | undefined {
  const { body } = request;
  const read = (name: string): string => headerOnce(request, name) ?? '';
  switch (verification.kind) {
    case 'stripe': {
      const found = readStripeHeader(read(verification.header));
      return found && { ...found, parts: [found.time, '.', body] };
    }
    case 'slack': {
      const time = read('x-slack-request-timestamp');
      const signature = readSlackHeader(read('x-slack-signature'));
      if (signature === undefined || !isTime(time)) return undefined;
      return { time, signatures: [signature], parts: [`v0:${time}:`, body] };
    }
    case 'standardWebhooks': {
      const { headerPrefix } = verification;
      const [id, time] = [read(`${headerPrefix}-id`), read(`${headerPrefix}-timestamp`)];
      const signatures = readStandardHeader(read(`${headerPrefix}-signature`));
      if (signatures === undefined || id === '' || !isTime(time)) return undefined;
      // Node reads headers as Latin-1; what was signed are their bytes.
      return { time, signatures, parts: [Buffer.from(`${id}.${time}.`, 'latin1'), body] };
    }
    default:
      return unreachable(verification);
  }
}

function hasMac({ parts, signatures }: Claim, key: string | Buffer): boolean {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  const expected = hmac.digest();
  return signatures.some((each) => isSame(each, expected));
}

function verifyHmac(
  { header, prefix, encoding, algorithm }: Extract<Verification, { readonly kind: 'hmac' }>,
  secrets: readonly Secret[],
  request: DoorRequest,
): Verdict {
  const written = headerOnce(request, header) ?? '';
  if (!written.startsWith(prefix)) return REFUSED;
  const text = written.slice(prefix.length);
  const signature = encoding === 'hex' ? fromHex(text) : fromBase64(text);
  if (signature === undefined) return REFUSED;
  const fits = ({ value }: Secret): boolean =>
    isSame(signature, createHmac(algorithm, value).update(request.body).digest());
  return isAny(secrets, fits) ? BELIEVED : REFUSED;
}

/** The scheme of Authorization is written in any case (RFC 9110, 11.1); other prefixes as they are. */
function isToken(secret: string, header: string, prefix: string, request: DoorRequest): boolean {
  const written = headerOnce(request, header) ?? '';
  const begins =
    header === 'authorization'
      ? written.slice(0, prefix.length).toLowerCase() === prefix.toLowerCase()
      : written.startsWith(prefix);
  return begins && isSameText(written.slice(prefix.length), secret);
}

/** RFC 7617; the charset is UTF-8. */
function isBasic({ value, username = '' }: Secret, request: DoorRequest): boolean {
  const [, encoded] = /^basic +([a-z0-9+/]+={0,2})$/i.exec(headerOnce(request, 'authorization') ?? '') ?? [];
  if (encoded === undefined) return false;
  const given = Buffer.from(encoded, 'base64');
  return isSame(digest(given), digest(Buffer.from(`${username}:${value}`)));
}

/** Header values come as Latin-1, whatever their bytes mean. */
function isSameText(header: string, secret: string): boolean {
  return isSame(digest(Buffer.from(header, 'latin1')), digest(Buffer.from(secret)));
}

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** An empty secret is none: with it anybody could sign. */
function isAny(secrets: readonly Secret[], fits: (secret: Secret) => boolean): boolean {
  return secrets.some((secret) => secret.value !== '' && fits(secret));
}
