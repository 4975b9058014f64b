import { unreachable } from '../../base/errors.ts';
import { asBoolean, asInteger, asString, castTo, typeOfValue, zeroOf, type Cast } from './casts.ts';
import {
  isInteger32,
  type BinaryOperator,
  type CesqlError,
  type Evaluated,
  type Expression,
  type Type,
  type Value,
} from './expression.ts';
import { builtIn } from './functions.ts';
import { isLike } from './like.ts';

type Attributes = ReadonlyMap<string, string>;
type Of<Kind extends Expression['kind']> = Extract<Expression, { kind: Kind }>;

/**
 * What an expression comes to for an event (3). It fails fast: with the first error it is the zero value of its type. An
 * attribute is a String, as it is on the wire.
 */
export function evaluateCesql(expression: Expression, attributes: Attributes): Evaluated {
  try {
    return { value: valueOf(expression, attributes), errors: [] };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const { value = zeroOf(typeOfExpression(expression)), error: reason } = error;
    return {
      value: error.of === expression ? value : zeroOf(typeOfExpression(expression)),
      errors: [reason],
    };
  }
}

/** The type that an expression has whatever the event; an attribute alone, and a function that is not there, count as Boolean. */
export function typeOfExpression(expression: Expression): Type {
  switch (expression.kind) {
    case 'literal':
      return typeOfValue(expression.value);
    case 'minus':
      return 'Integer';
    case 'binary':
      return isArithmetic(expression.operator) ? 'Integer' : 'Boolean';
    case 'call':
      return builtIn(expression.name, expression.args.length)?.returns ?? 'Boolean';
    case 'attribute':
    case 'exists':
    case 'not':
    case 'like':
    case 'in':
      return 'Boolean';
    default:
      return unreachable(expression);
  }
}

/** Ends an evaluation. `value`: what `of` comes to in spite of it, where that is said. */
class Failed extends Error {
  readonly error: CesqlError;
  readonly of: Expression | undefined;
  readonly value: Value | undefined;

  constructor(error: CesqlError, of?: Expression, value?: Value) {
    super(error.message);
    this.error = error;
    this.of = of;
    this.value = value;
  }
}

function valueOf(expression: Expression, attributes: Attributes): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'attribute':
      return attributeOf(expression.name, attributes);
    case 'exists':
      return attributes.has(expression.name);
    case 'not':
      return !needed(asBoolean(valueOf(expression.of, attributes)));
    case 'minus':
      return integer(-needed(asInteger(valueOf(expression.of, attributes))));
    case 'like':
      return isLike(asString(valueOf(expression.of, attributes)), expression.pattern) !== expression.isNot;
    case 'in':
      return isIn(expression, attributes) !== expression.isNot;
    case 'call':
      return called(expression, attributes);
    case 'binary':
      return combined(expression, attributes);
    default:
      return unreachable(expression);
  }
}

function attributeOf(name: string, attributes: Attributes): string {
  const value = attributes.get(name);
  if (value !== undefined) return value;
  throw new Failed({ kind: 'missingAttribute', message: `the event has no attribute ${name}` });
}

function combined({ operator, left, right }: Of<'binary'>, attributes: Attributes): Value {
  const x = valueOf(left, attributes);
  switch (operator) {
    case 'AND':
      return needed(asBoolean(x)) && needed(asBoolean(valueOf(right, attributes)));
    case 'OR':
      return needed(asBoolean(x)) || needed(asBoolean(valueOf(right, attributes)));
    case 'XOR':
      return needed(asBoolean(x)) !== needed(asBoolean(valueOf(right, attributes)));
    case '=':
      return isEqual(x, valueOf(right, attributes));
    case '!=':
    case '<>':
      return !isEqual(x, valueOf(right, attributes));
    default:
      return ofIntegers(operator, needed(asInteger(x)), needed(asInteger(valueOf(right, attributes))));
  }
}

/** The right operand says what is compared (3.7). */
function isEqual(x: Value, y: Value): boolean {
  return needed(castTo(typeOfValue(y), x)) === y;
}

/** Here it is the left one. */
function isIn({ of, set }: Of<'in'>, attributes: Attributes): boolean {
  const x = valueOf(of, attributes);
  return set.some((element) => needed(castTo(typeOfValue(x), valueOf(element, attributes))) === x);
}

type OfIntegers = Exclude<BinaryOperator, 'AND' | 'OR' | 'XOR' | '=' | '!=' | '<>'>;

function ofIntegers(operator: OfIntegers, x: number, y: number): Value {
  switch (operator) {
    case '<':
      return x < y;
    case '<=':
      return x <= y;
    case '>':
      return x > y;
    case '>=':
      return x >= y;
    case '+':
      return integer(x + y);
    case '-':
      return integer(x - y);
    case '*':
      return integer(x * y);
    case '/':
      return integer(Math.trunc(x / divisor(y)));
    case '%':
      return integer(x % divisor(y));
    default:
      return unreachable(operator);
  }
}

const isArithmetic = (operator: BinaryOperator): boolean => '+-*/%'.includes(operator);

function divisor(y: number): number {
  if (y !== 0) return y;
  throw new Failed({ kind: 'math', message: 'division by zero' });
}

/** Without a minus zero; what is too large for 32 bits is an error, and not another number. */
function integer(value: number): number {
  if (isInteger32(value)) return value + 0;
  throw new Failed({ kind: 'math', message: `${value} is no 32-bit integer` });
}

function called(expression: Of<'call'>, attributes: Attributes): Value {
  const { name, args } = expression;
  const found = builtIn(name, args.length);
  if (found === undefined) {
    const message = `there is no function ${name} of ${args.length} arguments`;
    throw new Failed({ kind: 'missingFunction', message });
  }
  const values = args.map((arg, i) => {
    const type = found.parameters[i] ?? found.rest ?? 'Any';
    const value = valueOf(arg, attributes);
    return type === 'Any' ? value : needed(castTo(type, value));
  });
  const { value, error } = found.call(...values);
  if (error !== undefined) throw new Failed(error, expression, value);
  return value;
}

function needed<T extends Value>({ value, error }: Cast<T>): T {
  if (error !== undefined) throw new Failed(error);
  return value;
}
