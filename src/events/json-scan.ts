/** A member of a JSON object: its name, and where its value stands in the text. */
export type Span = { readonly start: number; readonly end: number };
export type Member = { readonly name: string; readonly value: Span };

/** Deeper nesting is refused: JSON.stringify and many readers overflow their stack on it. */
const DEPTH_MAX = 100;
const MEMBERS_MAX = 10_000;

/**
 * Finds the members of the JSON object that `text` is, without reading their values, so that a value can be taken out
 * byte for byte: JSON.parse would round its numbers. The text must have passed JSON.parse already; what this returns
 * is undefined when it is no object, nests too deep or has too many members.
 */
export function membersOf(
  text: string,
  span: Span = { start: 0, end: text.length },
): readonly Member[] | undefined {
  return collect(text, span, '{', '}', (at, members) => {
    const nameEnd = endOfString(text, at);
    const name: unknown = JSON.parse(text.slice(at, nameEnd));
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1); // over the colon
    const end = endOfValue(text, start);
    if (end === undefined || typeof name !== 'string') return undefined;
    members.push({ name, value: { start, end } });
    return end;
  });
}

/** The elements of the JSON array that `text` is; undefined as for membersOf. */
export function elementsOf(text: string): readonly Span[] | undefined {
  return collect<Span>(text, { start: 0, end: text.length }, '[', ']', (start, elements) => {
    const end = endOfValue(text, start);
    if (end !== undefined) elements.push({ start, end });
    return end;
  });
}

function collect<T>(
  text: string,
  span: Span,
  open: string,
  close: string,
  readOne: (at: number, into: T[]) => number | undefined,
): readonly T[] | undefined {
  const found: T[] = [];
  let at = skipSpace(text, span.start);
  if (text[at] !== open) return undefined;
  at = skipSpace(text, at + 1);
  while (text[at] !== close) {
    const end = readOne(at, found);
    if (end === undefined || found.length > MEMBERS_MAX) return undefined;
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return found;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at += 1;
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

/** Where the value that begins at `start` ends; undefined when it nests too deep. */
function endOfValue(text: string, start: number): number | undefined {
  let depth = 0;
  let at = start;
  do {
    const char = text[at];
    if (char === '"') {
      at = endOfString(text, at);
    } else if (char === '{' || char === '[') {
      if ((depth += 1) > DEPTH_MAX) return undefined;
      at += 1;
    } else if (char === '}' || char === ']') {
      depth -= 1;
      at += 1;
    } else if (depth === 0) {
      return endOfScalar(text, at);
    } else {
      at += 1;
    }
  } while (depth > 0);
  return at;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  while (at < text.length && !',}] \n\r\t'.includes(text[at] ?? '')) at += 1;
  return at;
}
