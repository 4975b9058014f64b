/** Knative's event_display: prints every event that it is sent, and answers nothing. Copied alone: it imports nothing. */

type Event = Readonly<Record<string, unknown>>;
type Context = {
  readonly method: string;
  readonly path: string;
  readonly rawBody?: Buffer;
  readonly contentType?: string;
};
type Answer = { readonly statusCode: number; readonly body?: string };

const ATTRIBUTES = [
  'specversion',
  'type',
  'source',
  'subject',
  'id',
  'time',
  'dataschema',
  'datacontenttype',
];
const NO_EXTENSION = new Set([...ATTRIBUTES, 'data', 'data_base64']);

export function handle(context: Context, event?: Event): Answer {
  if (context.path.split('?')[0] === '/healthz') return { statusCode: 204 };
  if (context.method !== 'POST') return { statusCode: 405 };
  if (event === undefined || event['specversion'] === undefined)
    return { statusCode: 400, body: 'unknown Message encoding' };
  process.stdout.write(`☁️  cloudevents.Event\n${shown(event, context)}`);
  return { statusCode: 202 };
}

/** As the CloudEvents SDK for Go prints an event. */
function shown(event: Event, context: Context): string {
  const text = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value));
  const attributes = ATTRIBUTES.filter((name) => event[name] !== undefined && event[name] !== '');
  const extensions = Object.keys(event)
    .filter(
      (name) => !NO_EXTENSION.has(name) && typeof event[name] !== 'function' && event[name] !== undefined,
    )
    .toSorted();
  const lines = (names: readonly string[]): string =>
    names.map((name) => `  ${name}: ${text(event[name])}\n`).join('');
  return [
    'Validation: valid\n',
    'Context Attributes,\n',
    lines(attributes),
    ...(extensions.length > 0 ? ['Extensions,\n', lines(extensions)] : []),
    shownBody(event, context),
  ].join('');
}

function shownBody(event: Event, { contentType = '', rawBody }: Context): string {
  const isStructured = contentType.startsWith('application/cloudevents');
  const isBinary = isStructured && event['data_base64'] !== undefined;
  const body = isStructured ? structuredBody(event) : (rawBody?.toString() ?? '');
  if (body === '') return '';
  const { datacontenttype: type = 'application/json' } = event;
  const isJson = typeof type === 'string' && type.split(';')[0] === 'application/json';
  return `Data${isBinary ? ' (binary)' : ''},\n  ${isJson ? indented(body) : body}\n`;
}

function structuredBody(event: Event): string {
  const { data_base64: base64, data } = event;
  if (typeof base64 === 'string') return Buffer.from(base64, 'base64').toString();
  if (data === undefined || data === null) return '';
  return typeof data === 'string' && event['datacontenttype'] !== 'application/json'
    ? data
    : JSON.stringify(data);
}

/** Every token as it was written, on lines of its own; what is no JSON as it is. */
function indented(json: string): string {
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gs) ?? [];
  try {
    JSON.parse(json);
  } catch {
    return json;
  }
  let depth = 1;
  const line = (): string => `\n${'  '.repeat(depth)}`;
  return tokens
    .map((token, i) => {
      const [before, after] = [tokens[i - 1] ?? '', tokens[i + 1] ?? ''];
      if (token === '{' || token === '[') {
        if (after === '}' || after === ']') return token;
        depth += 1;
        return token + line();
      }
      if (token === '}' || token === ']') {
        if (before === '{' || before === '[') return token;
        depth -= 1;
        return line() + token;
      }
      if (token === ',') return token + line();
      return token === ':' ? ': ' : token;
    })
    .join('');
}
