import {
  BINARY_OPERATORS,
  INTEGER_MAX,
  INTEGER_MIN,
  isInteger32,
  type BinaryOperator,
  type Expression,
  type LikePart,
} from './expression.ts';
import { tokensOf, type Token } from './tokens.ts';

export type Parsed =
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'fault'; readonly message: string };

const TEXT_MAX = 16 * 1024;
const PARTS_MAX = 1000;
const DEPTH_MAX = 100;
const KEYWORDS = new Set(['AND', 'OR', 'XOR', 'NOT', 'LIKE', 'EXISTS', 'IN', 'TRUE', 'FALSE']);

class Fault extends Error {}

/** Reads an expression of CloudEvents SQL (2). A fault says what is wrong with it, and where. */
export function parseCesql(text: string): Parsed {
  if (text.length > TEXT_MAX)
    return { kind: 'fault', message: `longer than ${TEXT_MAX} characters, which is as much as is read` };
  const { tokens, badAt } = tokensOf(text);
  if (badAt !== undefined) {
    const what = /['"]/.test(text.charAt(badAt - 1))
      ? 'a string that does not end'
      : 'no part of an expression';
    return { kind: 'fault', message: `${what} at character ${badAt}: ${text.slice(badAt - 1, badAt + 19)}` };
  }
  try {
    return { kind: 'expression', expression: new Parser(tokens).whole() };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { kind: 'fault', message: error.message };
  }
}

/** Recursive descent, one method a rule; the levels of binary operators are the rows of BINARY_OPERATORS. */
class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #parts = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const expression = this.#expression();
    if (this.#peek().kind !== 'end') this.#expected('an operator or the end');
    return expression;
  }

  #expression(): Expression {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new Fault(`nested deeper than ${DEPTH_MAX} levels`);
    const expression = this.#binary(BINARY_OPERATORS.length - 1);
    this.#depth -= 1;
    return expression;
  }

  #binary(level: number): Expression {
    if (level < 0) return this.#inOrLike();
    let left = this.#binary(level - 1);
    for (;;) {
      const operator = BINARY_OPERATORS[level]?.find((each) => this.#isNext(each));
      if (operator === undefined) return left;
      this.#next += 1;
      left = this.#made({
        kind: 'binary',
        operator: operator as BinaryOperator,
        left,
        right: this.#binary(level - 1),
      });
    }
  }

  #inOrLike(): Expression {
    let of = this.#unary();
    for (;;) {
      const isNot = this.#isNext('NOT') && (this.#isNext('IN', 1) || this.#isNext('LIKE', 1));
      if (isNot) this.#next += 1;
      if (this.#takes('LIKE')) of = this.#made({ kind: 'like', of, pattern: this.#pattern(), isNot });
      else if (this.#takes('IN')) of = this.#made({ kind: 'in', of, set: this.#set(), isNot });
      else return of;
    }
  }

  #unary(): Expression {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw new Fault(`nested deeper than ${DEPTH_MAX} levels`);
    const expression = this.#unaryOrAtom();
    this.#depth -= 1;
    return expression;
  }

  #unaryOrAtom(): Expression {
    if (this.#takes('NOT')) return this.#made({ kind: 'not', of: this.#unary() });
    if (this.#takes('EXISTS')) return this.#made({ kind: 'exists', name: this.#attributeName() });
    const isSigned = /^\d+$/.test(this.#peek(1).text) && this.#peek(1).kind === 'word';
    if (isSigned && this.#takes('+')) return this.#integer(1);
    if (isSigned && this.#takes('-')) return this.#integer(-1);
    if (this.#takes('-')) return this.#made({ kind: 'minus', of: this.#unary() });
    return this.#atom();
  }

  #atom(): Expression {
    const token = this.#peek();
    if (token.kind === 'string') {
      this.#next += 1;
      return this.#made({ kind: 'literal', value: token.text });
    }
    if (this.#takes('(')) {
      const inner = this.#expression();
      this.#take(')');
      return inner;
    }
    if (token.kind !== 'word') return this.#expected('a value');
    if (/^\d+$/.test(token.text)) return this.#integer(1);
    if (this.#takes('TRUE')) return this.#made({ kind: 'literal', value: true });
    if (this.#takes('FALSE')) return this.#made({ kind: 'literal', value: false });
    if (this.#isNext('(', 1) && /^[A-Za-z][A-Za-z_]*$/.test(token.text)) return this.#call();
    return this.#made({ kind: 'attribute', name: this.#attributeName() });
  }

  #call(): Expression {
    const { text } = this.#peek();
    this.#next += 1;
    this.#take('(');
    const args = this.#isNext(')') ? [] : this.#list();
    this.#take(')');
    return this.#made({ kind: 'call', name: text.toUpperCase(), args });
  }

  #set(): Expression[] {
    this.#take('(');
    const elements = this.#list();
    this.#take(')');
    return elements;
  }

  #list(): Expression[] {
    const list = [this.#expression()];
    while (this.#takes(',')) list.push(this.#expression());
    return list;
  }

  #integer(sign: 1 | -1): Expression {
    const { text, at } = this.#peek();
    this.#next += 1;
    const value = sign * Number(text);
    if (!isInteger32(value))
      throw new Fault(`the integer at character ${at} is not between ${INTEGER_MIN} and ${INTEGER_MAX}`);
    return this.#made({ kind: 'literal', value: value + 0 }); // no minus zero
  }

  /** 3.4.3: a string literal and nothing else. */
  #pattern(): LikePart[] {
    const token = this.#peek();
    if (token.kind !== 'string') return this.#expected('a string behind LIKE');
    this.#next += 1;
    return [...token.text.matchAll(/\\([%_])|([^])/gu)].map(([, escaped, character = '']) => {
      if (escaped !== undefined) return { character: escaped };
      return character === '%' ? 'many' : character === '_' ? 'one' : { character };
    });
  }

  #attributeName(): string {
    const { kind, text, at } = this.#peek();
    if (kind !== 'word' || KEYWORDS.has(text.toUpperCase()))
      return this.#expected('the name of an attribute');
    if (!/^[a-z0-9]+$/.test(text))
      throw new Fault(
        `${text} at character ${at} is no name of an attribute: those have lower-case letters and digits`,
      );
    this.#next += 1;
    return text;
  }

  #made(expression: Expression): Expression {
    this.#parts += 1;
    if (this.#parts > PARTS_MAX) throw new Fault(`more than ${PARTS_MAX} operators and values`);
    return expression;
  }

  #peek(ahead = 0): Token {
    const last = this.#tokens.length - 1; // the end
    return this.#tokens[Math.min(this.#next + ahead, last)] ?? { kind: 'end', text: '', at: 1 };
  }

  /** Keywords are written in any case (2). */
  #isNext(text: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return token.kind !== 'string' && token.text.toUpperCase() === text;
  }

  #takes(text: string): boolean {
    const isThere = this.#isNext(text);
    if (isThere) this.#next += 1;
    return isThere;
  }

  #take(text: string): void {
    if (!this.#takes(text)) this.#expected(text);
  }

  #expected(what: string): never {
    const { kind, text, at } = this.#peek();
    const found = kind === 'end' ? 'the end' : JSON.stringify(text);
    throw new Fault(`${what} is expected at character ${at}, and there is ${found}`);
  }
}
