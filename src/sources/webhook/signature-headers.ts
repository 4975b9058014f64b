import { fromBase64 } from '../../events/base64.ts';

/*
 * What stands in the headers of signed webhooks, read strictly: anything that the scheme does not have makes undefined,
 * never a guess. A header holds at most so many signatures; while a secret is exchanged, services send two.
 */
const SIGNATURES_MAX = 20;

export type TimedSignatures = {
  /** As it was written, since that is what was signed. */
  readonly time: string;
  readonly signatures: readonly Buffer[];
};

/** `t=1533204620,v1=…,v1=…,v0=…`: schemes other than v1 are passed over (docs.stripe.com/webhooks#verify-manually). */
export function readStripeHeader(header: string): TimedSignatures | undefined {
  const items = header.split(',');
  if (items.length > SIGNATURES_MAX) return undefined;
  let time: string | undefined;
  const signatures: Buffer[] = [];
  for (const item of items) {
    const equals = item.indexOf('=');
    if (equals < 0) return undefined;
    const [name, value] = [item.slice(0, equals).trim(), item.slice(equals + 1).trim()];
    if (name === 't') {
      if (time !== undefined) return undefined;
      time = value;
    } else if (name === 'v1') {
      const signature = fromHex(value);
      if (signature === undefined) return undefined;
      signatures.push(signature);
    }
  }
  return time !== undefined && isTime(time) && signatures.length > 0 ? { time, signatures } : undefined;
}

/** `v1,<base64> v1,<base64> v1a,…`: versions other than v1 are passed over (Standard Webhooks, webhook-signature). */
export function readStandardHeader(header: string): readonly Buffer[] | undefined {
  const items = header.split(' ').filter((item) => item !== '');
  if (items.length > SIGNATURES_MAX) return undefined;
  const signatures = items
    .filter((item) => item.startsWith('v1,'))
    .map((item) => fromBase64(item.slice('v1,'.length)));
  return signatures.length > 0 && signatures.every((each) => each !== undefined) ? signatures : undefined;
}

/** `v0=<hex>` (docs.slack.dev/authentication/verifying-requests-from-slack). */
export function readSlackHeader(header: string): Buffer | undefined {
  return header.startsWith('v0=') ? fromHex(header.slice('v0='.length)) : undefined;
}

/** Whole seconds since the epoch. */
export const isTime = (text: string): boolean => /^\d{1,12}$/.test(text);

export function fromHex(text: string): Buffer | undefined {
  return text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** The bytes of a `whsec_` secret: base64, with or without that prefix (Standard Webhooks, signature scheme). */
export function standardKey(secret: string): Buffer | undefined {
  const key = fromBase64(secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret);
  return key === undefined || key.length === 0 ? undefined : key;
}
