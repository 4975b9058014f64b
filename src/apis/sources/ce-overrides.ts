import { invalidKeyName, invalidValue } from '../field-error.ts';
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

/**
 * Names in upstream's words (knative pkg/apis/duck/v1/source_types.go, CloudEventOverrides.Validate). What could not be an
 * attribute for another reason is refused as well, since the data plane would have to leave it out.
 */
export function extensionErrors(extensions: Readonly<Record<string, string>>): FieldError[] {
  const path = 'spec.ceOverrides.extensions';
  return Object.entries(extensions).flatMap(([name, value]) => {
    const fault = keyFault(name);
    if (fault !== undefined) return [invalidKeyName(name, path, fault)];
    if (isAttributeText(value)) return [];
    const why = `expected 1 to ${VALUE_MAX} characters of text, without control characters`;
    return [invalidValue(value.slice(0, 64), `${path}[${name}]`, why)];
  });
}

function keyFault(name: string): string | undefined {
  if (name === '') return 'keys MUST NOT be empty';
  if (!/^[A-Za-z0-9]+$/.test(name)) return 'keys are expected to be alphanumeric';
  return extensionNameFault(name);
}

/** Why `name` is no name of an extension, or undefined. */
export function extensionNameFault(name: string): string | undefined {
  if (/^[a-z0-9]+$/.test(name) && !CORE_ATTRIBUTES.has(name)) return undefined;
  return 'an extension has lower-case letters and digits, and is no core attribute';
}

export function isAttributeText(value: string): boolean {
  const isText = value.isWellFormed() && !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(value);
  return isText && value !== '' && value.length <= VALUE_MAX;
}
