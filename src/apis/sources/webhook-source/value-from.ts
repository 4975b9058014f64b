import { disallowedField, invalidValue } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { isAttributeText } from '../ce-overrides.ts';
import type { ValueFrom } from './schema.ts';

/** RFC 9110, 5.6.2. */
export const isHeaderName = (text: string): boolean => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/.test(text);

const WAYS = ['value', 'header', 'pointer'] as const;

/** Rules of where an attribute comes from; paths are relative to it. */
export function valueErrors(from: ValueFrom, attribute: string): FieldError[] {
  const given = WAYS.filter((way) => from[way] !== undefined);
  if (given.length === 0) return [{ message: 'expected exactly one, got neither', paths: [...WAYS] }];
  if (given.length > 1) return [{ message: 'expected exactly one, got both', paths: given }];
  const errors: FieldError[] = [];
  const { value, header, pointer, prefix, default: otherwise } = from;
  if (attribute === 'id' && (value ?? otherwise) !== undefined)
    errors.push(
      invalidValue(
        value ?? otherwise,
        value === undefined ? 'default' : 'value',
        'two events never have the same id',
      ),
    );
  if (header !== undefined && !isHeaderName(header))
    errors.push(invalidValue(header, 'header', 'expected the name of an HTTP header'));
  if (pointer !== undefined && !/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer))
    errors.push(invalidValue(pointer, 'pointer', 'expected a JSON pointer such as /data/object/id'));
  if (value !== undefined && (prefix !== undefined || otherwise !== undefined))
    errors.push(
      disallowedField(
        ...(prefix === undefined ? [] : ['prefix']),
        ...(otherwise === undefined ? [] : ['default']),
      ),
    );
  for (const [path, text] of Object.entries({ value, prefix, default: otherwise })) {
    if (text === undefined) continue;
    if (!isAttributeText(text))
      errors.push(invalidValue(text.slice(0, 64), path, 'expected text without control characters'));
    else if (path !== 'prefix') errors.push(...fixedErrors(attribute, text, path));
  }
  return errors;
}

/** What the specification demands of an attribute can be seen of a fixed text here already. */
function fixedErrors(attribute: string, text: string, path: string): FieldError[] {
  if (attribute === 'source' && /[\s"<>\\^`{|}]/.test(text))
    return [invalidValue(text, path, 'expected a URI reference')];
  if (attribute === 'time' && Number.isNaN(Date.parse(text)))
    return [invalidValue(text, path, 'expected an RFC 3339 time')];
  return [];
}
