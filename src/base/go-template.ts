/**
 * The part of Go's text/template that lines are written with: text, fields (`{{.A.B}}`), functions (`{{js .A}}`,
 * `{{index .Map "key"}}`), pipes (`{{.A | js}}`), comments and trimming marks. Conditions, loops, variables and methods
 * are refused by name when it is parsed, since nobody would see that they have no meaning here.
 */
export type GoTemplate = readonly Part[];
export type GoTemplateFault = { readonly fault: string };
type Part = string | readonly Call[]; // text, or a pipe
/** Of no function: its first argument is its value. */
type Call = { readonly name: keyof typeof FUNCTIONS | undefined; readonly args: readonly Argument[] };
type Argument =
  | { readonly kind: 'value'; readonly value: GoValue }
  | { readonly kind: 'field'; readonly path: readonly string[] };

/** What a field has; a list prints in brackets, a map's entry that is missing as its empty value. */
export type GoValue = string | number | readonly string[] | { readonly [name: string]: GoValue } | undefined;

/** Spaces beside a trimming mark go. */
const ACTION = /(\s*\{\{-\s|\{\{)(.*?)(\s-\}\}\s*|\}\})/gs;
const TOKEN = /\s*(?:(\|)|((?:\.\w+)+)|(\.)|("(?:[^"\\\n]|\\.)*")|`([^`]*)`|(-?\d+(?:\.\d+)?)|(\w+)|(\S))/gy;

/** `knows`: whether there is such a field; of a map, every one. */
export function parseGoTemplate(
  name: string,
  text: string,
  knows: (path: readonly string[]) => boolean,
): GoTemplate | GoTemplateFault {
  const parts: Part[] = [];
  let at = 0;
  try {
    for (const { 0: whole, 2: body = '', index } of text.matchAll(ACTION)) {
      parts.push(text.slice(at, index));
      at = index + whole.length;
      if (!/^\s*\/\*.*\*\/\s*$/s.test(body)) parts.push(parsePipe(body, knows));
    }
    if (text.slice(at).includes('{{')) throw new Refused('unclosed action');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const line = text.slice(0, at).split('\n').length;
    return { fault: `template: ${name}:${line}: ${error.message}` };
  }
  return [...parts, text.slice(at)];
}

export function renderGoTemplate(template: GoTemplate, values: GoValue): string {
  return template.map((part) => (typeof part === 'string' ? part : printed(valueOf(part, values)))).join('');
}

/** What is wrong with a template; it never leaves this file. */
class Refused extends Error {}

function parsePipe(body: string, knows: (path: readonly string[]) => boolean): readonly Call[] {
  const calls: { name: Call['name']; args: Argument[] }[] = [{ name: undefined, args: [] }];
  for (const token of body.matchAll(TOKEN)) {
    const [whole, pipe, path, dot, quoted, raw, number, word, other] = token;
    const call = calls.at(-1);
    if (call === undefined || whole === '') break;
    if (pipe !== undefined) calls.push({ name: undefined, args: [] });
    else if (path !== undefined) call.args.push(fieldOf(path, knows));
    else if (quoted !== undefined) call.args.push({ kind: 'value', value: unquoted(quoted) });
    else if (raw !== undefined) call.args.push({ kind: 'value', value: raw });
    else if (number !== undefined) call.args.push({ kind: 'value', value: Number(number) });
    else if (word !== undefined && isFirst(call)) call.name = functionNamed(word);
    else throw new Refused(`unexpected ${JSON.stringify(dot ?? word ?? other)} in operand`);
  }
  for (const [i, call] of calls.entries()) {
    if (call.name === undefined && (call.args.length !== 1 || i > 0))
      throw new Refused(
        call.args.length === 0 ? 'missing value for command' : `{{${body}}} is not taken here`,
      );
    if (call.name === 'index' && call.args.length + Math.min(i, 1) < 2)
      throw new Refused('index of untyped nil: it takes a map and a key');
  }
  return calls;
}

const isFirst = ({ name, args }: { name: Call['name']; args: readonly Argument[] }): boolean =>
  name === undefined && args.length === 0;

function fieldOf(path: string, knows: (path: readonly string[]) => boolean): Argument {
  const names = path.slice(1).split('.');
  if (!knows(names)) throw new Refused(`<${path}>: there is no such field here`);
  return { kind: 'field', path: names };
}

function functionNamed(word: string): keyof typeof FUNCTIONS {
  if (word in FUNCTIONS) return word as keyof typeof FUNCTIONS;
  if (/^(?:if|else|end|range|with|define|template|block|break|continue)$/.test(word))
    throw new Refused(
      `{{${word}}} is not taken here; fields, pipes and ${Object.keys(FUNCTIONS).join(', ')} are`,
    );
  throw new Refused(`function ${JSON.stringify(word)} not defined`);
}

function unquoted(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw new Refused(`${quoted} has an escape that is not taken here`);
  }
}

function valueOf(pipe: readonly Call[], values: GoValue): GoValue {
  let piped: readonly GoValue[] = [];
  for (const { name, args } of pipe) {
    const given = [
      ...args.map((each) => (each.kind === 'value' ? each.value : at(values, each.path))),
      ...piped,
    ];
    piped = [name === undefined ? given[0] : FUNCTIONS[name](given)];
  }
  return piped[0];
}

function at(values: GoValue, path: readonly string[]): GoValue {
  return path.reduce<GoValue>((value, name) => entryOf(value, name), values);
}

function entryOf(value: GoValue, name: string): GoValue {
  if (typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, name)) return undefined;
  return (value as { readonly [name: string]: GoValue })[name];
}

function printed(value: GoValue): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  return `map[${Object.entries(value)
    .map(([name, each]) => `${name}:${printed(each)}`)
    .join(' ')}]`;
}

const JS_ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' };
const HTML_ESCAPED: Readonly<Record<string, string>> = {
  '\0': '�',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
};

const unicode = (char: string): string =>
  `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
const joined = (values: readonly GoValue[]): string => values.map(printed).join('');

/** Those of text/template that need neither a condition nor a format. */
const FUNCTIONS = {
  js: (values: readonly GoValue[]): GoValue =>
    joined(values).replace(/[\\'"<>&=\p{Cc}]/gu, (char) => JS_ESCAPED[char] ?? unicode(char)),
  html: (values: readonly GoValue[]): GoValue =>
    joined(values).replace(/[\0"'&<>]/g, (char) => HTML_ESCAPED[char] ?? char),
  urlquery: (values: readonly GoValue[]): GoValue =>
    encodeURIComponent(joined(values))
      .replaceAll('%20', '+')
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
  print: (values: readonly GoValue[]): GoValue => joined(values),
  len: ([value]: readonly GoValue[]): GoValue => {
    if (typeof value === 'string') return Buffer.byteLength(value);
    return typeof value === 'object' ? Object.keys(value).length : 0;
  },
  /** Of a map an entry, of a list an element; none is empty. */
  index: ([value, ...keys]: readonly GoValue[]): GoValue =>
    keys.reduce<GoValue>((each, key) => {
      if (Array.isArray(each)) return each[Number(key)];
      return entryOf(each, printed(key)) ?? [];
    }, value),
};
