import { isMediaType, isTimestamp, isUriReference } from './syntax.ts';

/** Why a message is no CloudEvent. `code` is the HTTP status to refuse it with, `reason` names the attribute. */
export type Malformed = {
  readonly kind: 'malformed';
  readonly code: 400 | 413 | 415 | 431;
  readonly reason: string;
};

export const malformed = (reason: string, code: Malformed['code'] = 400): Malformed => ({
  kind: 'malformed',
  code,
  reason,
});

/** All names and values of one event together; 64 KiB is also what every CloudEvents intermediary must forward. */
export const ATTRIBUTE_BYTES_MAX = 64 * 1024;
export const ATTRIBUTES_MAX = 256;

/**
 * Why these attributes make no CloudEvent (CloudEvents 1.0, 3.1 and 3.2; 0.3 likewise), or undefined when they do.
 * Names and values are checked one by one as they are read; this checks them together. `bytes` is the UTF-8 length of
 * all names and values, the content type's included.
 */
export function faultIn(attributes: ReadonlyMap<string, string>, bytes: number): Malformed | undefined {
  const version = attributes.get('specversion');
  if (!version) return malformed('specversion: required, and missing or empty');
  if (version !== '1.0' && version !== '0.3')
    return malformed(`specversion: ${quote(version)} is not supported; use 1.0 or 0.3`);
  return (
    missing(attributes, 'id') ??
    missing(attributes, 'source') ??
    missing(attributes, 'type') ??
    faultInUri(attributes, 'source') ??
    faultInUri(attributes, version === '1.0' ? 'dataschema' : 'schemaurl') ??
    faultInSubject(attributes) ??
    faultInTime(attributes) ??
    tooMany(attributes.size, bytes)
  );
}

/** More than is taken of one event, by number or by size: 431. */
export function tooMany(count: number, bytes: number): Malformed | undefined {
  if (count > ATTRIBUTES_MAX)
    return malformed(`attributes: ${count} of them, at most ${ATTRIBUTES_MAX} are taken`, 431);
  if (bytes > ATTRIBUTE_BYTES_MAX)
    return malformed(`attributes: ${bytes} bytes together, at most ${ATTRIBUTE_BYTES_MAX} are taken`, 431);
  return undefined;
}

/** Why `name` is no attribute name (3, Naming conventions: lower-case letters and digits), or undefined. */
export function faultInName(name: string): Malformed | undefined {
  if (name === 'data') return malformed('data: is the payload, not an attribute');
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    const isAllowed = (code >= 97 && code <= 122) || (code >= 48 && code <= 57);
    if (!isAllowed)
      return malformed(`${quote(name)}: an attribute name has lower-case letters and digits only`);
  }
  return name === '' ? malformed('an attribute without a name') : undefined;
}

/** Why `value` is no attribute value (2.4, String), or undefined. */
export function faultInValue(name: string, value: string): Malformed | undefined {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
      return malformed(`${name}: control characters are not allowed`);
    if (code < 0xd800) continue;
    // What is rare is left to functions that know Unicode.
    if (!value.isWellFormed()) return malformed(`${name}: not valid Unicode`);
    if (/\p{Noncharacter_Code_Point}/u.test(value))
      return malformed(`${name}: Unicode noncharacters are not allowed`);
    return /\p{Cc}/u.test(value) ? malformed(`${name}: control characters are not allowed`) : undefined;
  }
  return undefined;
}

/** Why `value` is no content type (3.1, datacontenttype: RFC 2046), or undefined; `name` is what carries it. */
export function faultInContentType(name: string, value: string): Malformed | undefined {
  return isMediaType(value) ? undefined : malformed(`${name}: ${quote(value)} is not a media type`);
}

function missing(attributes: ReadonlyMap<string, string>, name: string): Malformed | undefined {
  return attributes.get(name) ? undefined : malformed(`${name}: required, and missing or empty`);
}

function faultInUri(attributes: ReadonlyMap<string, string>, name: string): Malformed | undefined {
  const value = attributes.get(name);
  if (value === undefined || (value !== '' && isUriReference(value))) return undefined;
  return malformed(`${name}: ${quote(value)} is not a URI reference`);
}

function faultInSubject(attributes: ReadonlyMap<string, string>): Malformed | undefined {
  return attributes.get('subject') === '' ? malformed('subject: empty; leave it out instead') : undefined;
}

function faultInTime(attributes: ReadonlyMap<string, string>): Malformed | undefined {
  const time = attributes.get('time');
  if (time === undefined || isTimestamp(time)) return undefined;
  return malformed(`time: ${quote(time)} is not an RFC 3339 timestamp`);
}

/** A value as a message may show it: short, and without what a terminal would act on. */
export function quote(value: string): string {
  const shown = value.length > 64 ? `${value.slice(0, 64)}…` : value;
  return JSON.stringify(shown.toWellFormed()).replace(/[\u007f-\u009f]/g, '\u{fffd}');
}
