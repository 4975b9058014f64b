/** Knative's appender: answers each event with itself, MESSAGE added to its message, of type TYPE. Copied alone: it imports nothing. */

type Event = {
  readonly type: string;
  readonly source: string;
  readonly time?: string;
  readonly data?: unknown;
  cloneWith(change: Readonly<Record<string, unknown>>): Event;
};
type Answer = Event | { readonly statusCode: number; readonly body: string };

const { MESSAGE = 'boring default msg, change me with env[MESSAGE]', TYPE = '' } = process.env;

export function init(): void {
  log(`listening on 8080, appending ${JSON.stringify(MESSAGE)} to events`);
}

export function handle(_context: unknown, event?: Event): Answer {
  if (event?.type === undefined) return { statusCode: 400, body: 'unknown Message encoding' };
  const read = payloadOf(event.data);
  if (read === undefined) return { statusCode: 400, body: 'got error while unmarshalling data' };
  log('Received a new event: ');
  tell(event, read);
  const data = { ...read, message: read.message + MESSAGE };
  const reply = event.cloneWith({
    data,
    data_base64: undefined,
    datacontenttype: 'application/json',
    ...(TYPE !== '' && { type: TYPE }),
  });
  log('Transform the event to: ');
  tell(reply, data);
  return reply;
}

type Payload = { readonly id: number; readonly message: string };

/** Its two members, each with the zero that Go knows for it. */
function payloadOf(data: unknown): Payload | undefined {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined;
  const { id = 0, message = '' } = data as Readonly<Record<string, unknown>>;
  return typeof id === 'number' && typeof message === 'string' ? { id, message } : undefined;
}

function tell({ time = '', source, type }: Event, { id, message }: Payload): void {
  log(`[${time}] ${source} ${type}: &{Sequence:${id} Message:${message}}`);
}

function log(text: string): void {
  const at = new Date().toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ');
  process.stderr.write(`${at} ${text}\n`);
}
