export type Token = {
  readonly kind: 'word' | 'string' | 'symbol' | 'end';
  /** A word or symbol as it is written; of a string what is between its quotes, with those that were escaped. */
  readonly text: string;
  /** Where it begins, counted from 1. */
  readonly at: number;
};

const TOKEN =
  /\s*(?:(?<word>[A-Za-z0-9_]+)|'(?<single>(?:[^'\\]|\\[^])*)'|"(?<double>(?:[^"\\]|\\[^])*)"|(?<symbol><=|>=|<>|!=|[-=<>()*/%+,]))/y;

/** The tokens of an expression, or the place of what is none. */
export function tokensOf(text: string): { readonly tokens: readonly Token[]; readonly badAt?: number } {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let start = 0; ; start = TOKEN.lastIndex) {
    const at = start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
    if (at >= text.length) return { tokens: [...tokens, { kind: 'end', text: '', at: at + 1 }] };
    TOKEN.lastIndex = start;
    const { word, single, double, symbol = '' } = TOKEN.exec(text)?.groups ?? {};
    if (TOKEN.lastIndex === 0) return { tokens, badAt: at + 1 };
    if (word !== undefined) tokens.push({ kind: 'word', text: word, at: at + 1 });
    else if (single !== undefined)
      tokens.push({ kind: 'string', text: single.replaceAll("\\'", "'"), at: at + 1 });
    else if (double !== undefined)
      tokens.push({ kind: 'string', text: double.replaceAll('\\"', '"'), at: at + 1 });
    else tokens.push({ kind: 'symbol', text: symbol, at: at + 1 });
  }
}
