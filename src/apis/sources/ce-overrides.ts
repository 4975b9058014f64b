import { invalidValue } from '../field-error.ts';
import type { FieldError } from '../kind.ts';

const VALUE_MAX = 4096;
const CORE_ATTRIBUTES = new Set([
  'id',
  'source',
  'specversion',
  'type',
  'datacontenttype',
  'dataschema',
  'subject',
  'time',
  'data',
]);

/** What could not be an attribute is refused here, since the data plane would have to leave it out. */
export function extensionErrors(extensions: Readonly<Record<string, string>>): FieldError[] {
  const path = 'spec.ceOverrides.extensions';
  return Object.entries(extensions).flatMap(([name, value]) => {
    if (!/^[a-z0-9]+$/.test(name) || CORE_ATTRIBUTES.has(name)) {
      const why = 'an extension has lower-case letters and digits, and is no core attribute';
      return [invalidValue(name, path, why)];
    }
    const isText = value.isWellFormed() && !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(value);
    if (isText && value !== '' && value.length <= VALUE_MAX) return [];
    const why = `expected 1 to ${VALUE_MAX} characters of text, without control characters`;
    return [invalidValue(value.slice(0, 64), `${path}[${name}]`, why)];
  });
}
