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

const VERSIONS: ReadonlySet<string> = new Set(['1.0', '0.3']);
const REQUIRED = ['id', 'source', 'type'] as const;
/** RFC 3339 (CloudEvents 1.0, 2.4 Type System: Timestamp). */
const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i;

/**
 * Why these attributes make no CloudEvent (CloudEvents 1.0, 3.1 and 3.2; 0.3 likewise), or undefined when they do.
 * Names and values are checked one by one as they are read; this checks them together.
 */
export function faultIn(attributes: ReadonlyMap<string, string>): Malformed | undefined {
  const version = attributes.get('specversion');
  if (version === undefined || version === '')
    return malformed('specversion: required, and missing or empty');
  if (!VERSIONS.has(version))
    return malformed(`specversion: ${quote(version)} is not supported; use 1.0 or 0.3`);
  for (const name of REQUIRED) {
    if (!attributes.get(name)) return malformed(`${name}: required, and missing or empty`);
  }
  const time = attributes.get('time');
  if (time !== undefined && !TIMESTAMP.test(time))
    return malformed(`time: ${quote(time)} is not an RFC 3339 timestamp`);
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

/** Why `value` is no attribute value (2.4: no control characters, no lone surrogates), or undefined. */
export function faultInValue(name: string, value: string): Malformed | undefined {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
      return malformed(`${name}: control characters are not allowed`);
    if (code >= 0xd800 && code <= 0xdfff && !value.isWellFormed())
      return malformed(`${name}: not valid Unicode`);
  }
  return undefined;
}

/** A value as a message may show it: short, and without what a terminal would act on. */
function quote(value: string): string {
  const shown = value.length > 64 ? `${value.slice(0, 64)}…` : value;
  return JSON.stringify(shown);
}
