import { asBoolean, asInteger, asString } from './casts.ts';
import { INTEGER_MAX, INTEGER_MIN, type CesqlError, type Type, type Value } from './expression.ts';

/** A built-in function (3.5). Arguments come cast to `parameters`; those beyond them are of the type of `rest`. */
type BuiltIn = {
  readonly name: string;
  readonly parameters: readonly (Type | 'Any')[];
  readonly rest?: Type;
  readonly returns: Type;
  readonly call: (...args: readonly Value[]) => Result;
};
type Result = { readonly value: Value; readonly error?: CesqlError };

/** The function of a name that takes so many arguments; undefined: there is none. */
export function builtIn(name: string, args: number): BuiltIn | undefined {
  return BUILT_INS.find(
    (each) =>
      each.name === name &&
      (each.rest === undefined ? each.parameters.length === args : each.parameters.length <= args),
  );
}

/** What functions of that name look like, for whoever misspelt one. */
export function signaturesOf(name: string): string[] {
  return BUILT_INS.filter((each) => each.name === name).map(
    ({ parameters, rest }) =>
      `${name}(${[...parameters, ...(rest === undefined ? [] : [`${rest}…`])].join(', ')})`,
  );
}

const plain = (value: Value): Result => ({ value });
const failed = (value: Value, message: string): Result => ({
  value,
  error: { kind: 'functionEvaluation', message },
});
const EDGES = /^\p{White_Space}+|\p{White_Space}+$/gu;

const BUILT_INS: readonly BuiltIn[] = [
  // 3.7: casts that are asked for.
  { name: 'INT', parameters: ['Any'], returns: 'Integer', call: (x = '') => asInteger(x) },
  { name: 'BOOL', parameters: ['Any'], returns: 'Boolean', call: (x = '') => asBoolean(x) },
  { name: 'STRING', parameters: ['Any'], returns: 'String', call: (x = '') => plain(asString(x)) },
  {
    name: 'ABS',
    parameters: ['Integer'],
    returns: 'Integer',
    call: (x = 0) =>
      x === INTEGER_MIN
        ? { value: INTEGER_MAX, error: { kind: 'math', message: `ABS(${x}) is no 32-bit integer` } }
        : plain(Math.abs(Number(x))),
  },
  {
    name: 'LENGTH',
    parameters: ['String'],
    returns: 'Integer',
    call: (x = '') => plain(charactersOf(x).length),
  },
  {
    name: 'CONCAT',
    parameters: [],
    rest: 'String',
    returns: 'String',
    call: (...all) => plain(all.join('')),
  },
  {
    name: 'CONCAT_WS',
    parameters: ['String'],
    rest: 'String',
    returns: 'String',
    call: (delimiter = '', ...all) => plain(all.join(asString(delimiter))),
  },
  {
    name: 'LOWER',
    parameters: ['String'],
    returns: 'String',
    call: (x = '') => plain(asString(x).toLowerCase()),
  },
  {
    name: 'UPPER',
    parameters: ['String'],
    returns: 'String',
    call: (x = '') => plain(asString(x).toUpperCase()),
  },
  {
    name: 'TRIM',
    parameters: ['String'],
    returns: 'String',
    call: (x = '') => plain(asString(x).replaceAll(EDGES, '')),
  },
  {
    name: 'LEFT',
    parameters: ['String', 'Integer'],
    returns: 'String',
    call: (x = '', y = 0) =>
      Number(y) < 0
        ? failed(x, `LEFT of ${y} characters`)
        : plain(charactersOf(x).slice(0, Number(y)).join('')),
  },
  {
    name: 'RIGHT',
    parameters: ['String', 'Integer'],
    returns: 'String',
    call(x = '', y = 0) {
      if (Number(y) < 0) return failed(x, `RIGHT of ${y} characters`);
      const characters = charactersOf(x);
      return plain(characters.slice(Math.max(0, characters.length - Number(y))).join(''));
    },
  },
  {
    name: 'SUBSTRING',
    parameters: ['String', 'Integer'],
    returns: 'String',
    call: (x = '', from = 0) => substring(x, Number(from), INTEGER_MAX),
  },
  {
    name: 'SUBSTRING',
    parameters: ['String', 'Integer', 'Integer'],
    returns: 'String',
    call: (x = '', from = 0, length = 0) => substring(x, Number(from), Number(length)),
  },
];

/** Characters are counted from 1, from the end when negative; at 0 there is nothing. */
function substring(x: Value, from: number, length: number): Result {
  const characters = charactersOf(x);
  if (length < 0) return failed('', `SUBSTRING of ${length} characters`);
  if (Math.abs(from) > characters.length)
    return failed('', `SUBSTRING from ${from} of ${characters.length} characters`);
  if (from === 0) return plain('');
  const start = from > 0 ? from - 1 : characters.length + from;
  return plain(characters.slice(start, start + length).join(''));
}

const charactersOf = (value: Value): string[] => Array.from(asString(value));
