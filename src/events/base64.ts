const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');

/**
 * Decodes base64 (RFC 4648, 4), padded; undefined for anything else, where Buffer would skip what it does not know. A
 * loop and no pattern, since a pattern over millions of characters overflows its stack.
 */
export function fromBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const end = text.length - padding;
  const isAllowed = new Uint8Array(128);
  for (const code of ALPHABET) isAllowed[code] = 1;
  for (let i = 0; i < end; i += 1) if (isAllowed[text.charCodeAt(i)] !== 1) return undefined;
  return Buffer.from(text, 'base64');
}
