/** CloudEvents SQL 1.0.0 (cloudevents/spec cesql/spec.md): an expression as it was read, and what it can come to. */
export type Value = string | number | boolean;
export type Type = 'String' | 'Integer' | 'Boolean';

export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'exists'; readonly name: string }
  | { readonly kind: 'not' | 'minus'; readonly of: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'like';
      readonly of: Expression;
      readonly pattern: readonly LikePart[];
      readonly isNot: boolean;
    }
  | {
      readonly kind: 'in';
      readonly of: Expression;
      readonly set: readonly Expression[];
      readonly isNot: boolean;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] };

/** Any number of characters, any one, or this one. */
export type LikePart = 'many' | 'one' | { readonly character: string };

/** By precedence, the strongest first; those of one row go from left to right (3.6). */
export const BINARY_OPERATORS = [
  ['*', '/', '%'],
  ['+', '-'],
  ['=', '!=', '<>', '>=', '<=', '>', '<'],
  ['AND', 'OR', 'XOR'],
] as const;
export type BinaryOperator = (typeof BINARY_OPERATORS)[number][number];

/** What goes wrong with an expression that could be read (3.3). */
export type CesqlError = {
  readonly kind: 'math' | 'cast' | 'missingAttribute' | 'missingFunction' | 'functionEvaluation';
  readonly message: string;
};

/** An expression always comes to a value, the zero of its type when something went wrong. */
export type Evaluated = { readonly value: Value; readonly errors: readonly CesqlError[] };

export const INTEGER_MIN = -(2 ** 31);
export const INTEGER_MAX = 2 ** 31 - 1;

export const isInteger32 = (value: number): boolean => value >= INTEGER_MIN && value <= INTEGER_MAX;
