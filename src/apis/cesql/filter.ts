import { evaluateCesql, typeOfExpression } from './evaluate.ts';
import type { Expression } from './expression.ts';
import { builtIn, signaturesOf } from './functions.ts';
import { parseCesql, type Parsed } from './parse.ts';

/** A filter: a Boolean expression that lets those events pass for which it is true, without an error (1.2). */
export type CesqlFilter = (attributes: ReadonlyMap<string, string>) => boolean;

/** Why a text is no filter, or could let no event pass, ever; undefined: it is one. */
export function cesqlFilterFault(text: string): string | undefined {
  const parsed = parseCesql(text);
  if (parsed.kind === 'fault') return parsed.message;
  const { expression } = parsed;
  if (expression.kind === 'attribute')
    return `a filter is Boolean, and an attribute is a String: BOOL(${expression.name}) or EXISTS ${expression.name} is one`;
  const unknown = callsIn(expression).find(({ name, args }) => builtIn(name, args.length) === undefined);
  if (unknown !== undefined) return unknownFunction(unknown);
  const type = typeOfExpression(expression);
  return type === 'Boolean'
    ? undefined
    : `a filter is Boolean, and this expression comes to another type: ${type}`;
}

/** What is no filter lets nothing pass. */
export function cesqlFilter(text: string): CesqlFilter {
  const parsed: Parsed = parseCesql(text);
  if (parsed.kind === 'fault') return () => false;
  return (attributes) => {
    const { value, errors } = evaluateCesql(parsed.expression, attributes);
    return value === true && errors.length === 0;
  };
}

type Call = Extract<Expression, { kind: 'call' }>;

function unknownFunction({ name, args }: Call): string {
  const known = signaturesOf(name);
  const message = `there is no function ${name} of ${args.length} ${args.length === 1 ? 'argument' : 'arguments'}`;
  return known.length === 0 ? message : `${message}: it is ${known.join(' or ')}`;
}

function callsIn(expression: Expression): Call[] {
  switch (expression.kind) {
    case 'literal':
    case 'attribute':
    case 'exists':
      return [];
    case 'not':
    case 'minus':
    case 'like':
      return callsIn(expression.of);
    case 'in':
      return [expression.of, ...expression.set].flatMap(callsIn);
    case 'binary':
      return [expression.left, expression.right].flatMap(callsIn);
    case 'call':
      return [expression, ...expression.args.flatMap(callsIn)];
  }
}
