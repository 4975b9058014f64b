import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';

/** One record of the platform's journal: a signal, its time, and what else it says. */
export type JournalRecord = { readonly signal: string; readonly atMs: number } & Readonly<
  Record<string, unknown>
>;
type Found = { readonly items: readonly JournalRecord[]; readonly dropped: number };
type DeadLetters = {
  readonly items: readonly {
    readonly channel: string;
    readonly group: string;
    readonly attempts: number;
    readonly diedMs: number;
    readonly failure: { readonly reason: string; readonly code: number };
  }[];
};
type SubscriptionList = {
  readonly items: readonly {
    readonly metadata: { readonly uid: string; readonly name: string; readonly namespace: string };
  }[];
};

const HELP = `
Usage: millrace trace EVENT-ID [--data-dir DIR] [-o json]

One event's life: where and when it was accepted, when it was durable, which subscriptions it is kept for and why others of
the channel have not got it, each attempt, the wake from zero in its phases, the reply, the dead letter.

Examples:
  millrace trace 3f1c
  millrace trace 3f1c -o json
`;

export const trace: Command = {
  summary: "one event's life, step by step",
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, HELP);
    if (parsed === undefined) return EXIT.done;
    const json = isJson(parsed.values);
    const [id] = parsed.positionals;
    if (id === undefined || parsed.positionals.length > 1)
      throw new UserError('MR0050', 'trace takes the id of one event', {
        fix: 'millrace trace EVENT-ID',
        exit: EXIT.usage,
      });
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    const found = await traceOf(client, id);
    if (found.items.length === 0)
      throw new UserError('MR0051', `nothing is known of an event with the id ${id}`, {
        why: 'it never came in, or the journal has moved on',
        exit: EXIT.notFound,
      });
    context.stdout.write(
      json ? `${JSON.stringify(found.items, undefined, 2)}\n` : await renderTrace(client, id, found),
    );
    return EXIT.done;
  },
};

export function traceOf(client: ApiClient, id: string): Promise<Found> {
  return client.get<Found>(`${PLATFORM_API}/journal?event=${encodeURIComponent(id)}`);
}

/** The trace as people read it: times from the first step on, names for subscriptions. */
export async function renderTrace(client: ApiClient, id: string, { items }: Found): Promise<string> {
  const { items: subscriptions } = await client.get<SubscriptionList>(
    '/apis/messaging.knative.dev/v1/subscriptions',
  );
  const names = new Map([
    ...items
      .filter((record) => 'subscription' in record)
      .map((record) => [String(record['group']), String(record['subscription'])] as const),
    ...subscriptions.map(({ metadata }) => [metadata.uid, `${metadata.namespace}/${metadata.name}`] as const),
  ]);
  const startMs = Math.min(...items.map(({ atMs }) => atMs));
  const straight = publishedStraight(items);
  const lines = items.flatMap((record) =>
    [...(straight.get(record) ?? []), ...describe(record, names)].map(
      (line, i) => `${i === 0 ? `+${record.atMs - startMs} ms`.padStart(9) : ''.padStart(9)}  ${line}`,
    ),
  );
  const dead = await client.get<DeadLetters>(`${PLATFORM_API}/deadletters?event=${encodeURIComponent(id)}`);
  const buried = dead.items.map(
    ({ group, failure }) =>
      `           in the dead-letter store for ${names.get(group) ?? group}: ${failure.reason}`,
  );
  return `event ${id}\n${[...lines, ...buried].map(printable).join('\n')}\n`;
}

/** Where an event was offered that no door of this platform took: who published it went to the broker itself. */
function publishedStraight(items: readonly JournalRecord[]): ReadonlyMap<JournalRecord, readonly string[]> {
  const accepted = new Set(
    items.filter(({ signal }) => signal === 'channel.accepted').map((record) => record['channel']),
  );
  const straight = new Map<JournalRecord, readonly string[]>();
  for (const record of items) {
    const { signal, channel } = record;
    if (signal !== 'dispatcher.attempted' || accepted.has(channel)) continue;
    accepted.add(channel); // told once
    straight.set(record, [`came from ${String(channel)}, which another than this platform published it to`]);
  }
  return straight;
}

/** Any value as text; what senders chose cannot act on a terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function describe(record: JournalRecord, names: ReadonlyMap<string, string>): string[] {
  const read = (name: string): string => {
    const value = record[name];
    return typeof value === 'string' || typeof value === 'number' ? `${value}` : '';
  };
  const group = names.get(read('group')) ?? read('group');
  switch (record.signal) {
    case 'source.sent':
      return [
        `source ${read('origin')} ${record['fetched'] === true ? 'fetched it and ' : ''}handed it to ${read('sinkUrl')}`,
      ];
    case 'channel.accepted':
      return accepted(record, names);
    case 'subscription.passedOver':
      return [`not kept for ${read('subscription')}: ${read('message')}`];
    case 'subscription.gone':
      return [`${read('subscription')} was ${read('message')}`];
    case 'channel.forgot':
      return [`${read('subscription')} was deleted: ${read('channel')} keeps nothing for it any more`];
    case 'dispatcher.attempted':
      return [attempted(record, group, read)];
    case 'dispatcher.dead':
      return [`given up for ${group}: ${read('reason')}`];
    case 'reply.sent': {
      const dropped = read('dropped');
      return [
        dropped === ''
          ? `reply ${read('id')} (${read('type')}) went to ${read('url')}`
          : `reply ignored: ${dropped}`,
      ];
    }
    case 'serving.answered':
      return answered(record, read);
    default:
      return [`${record.signal} ${JSON.stringify(record)}`];
  }
}

function accepted(record: JournalRecord, names: ReadonlyMap<string, string>): string[] {
  const groups = Array.isArray(record['groups']) ? record['groups'].map(String) : [];
  const kept =
    groups.length === 0
      ? 'no subscription; nobody gets it'
      : groups.map((group) => names.get(group) ?? group).join(', ');
  const durableMs = Number(record['durableMs']) - record.atMs;
  const number = record['seq'] === 0 ? '' : ` as number ${String(record['seq'])}`; // not every broker numbers them
  return [
    `accepted by ${String(record['channel'])}${number}, ${String(record['bytes'])} bytes, durable after ${durableMs} ms`,
    `kept for ${kept}`,
  ];
}

function attempted(record: JournalRecord, group: string, read: (name: string) => string): string {
  const what =
    read('stage') === 'deliver'
      ? `${group} attempt ${read('attempt')}`
      : `${read('stage') === 'reply' ? 'reply' : 'dead letter'} of ${group}, attempt ${read('attempt')}`;
  const code = read('code') === '0' ? '' : ` ${read('code')}`;
  const reason = read('reason') === '' ? '' : ` (${read('reason')})`;
  const next =
    read('next') === 'retry'
      ? `, again in ${Number(record['dueMs']) - record.atMs} ms`
      : `, then ${read('next')}`;
  return `${what} to ${read('url')}: ${read('outcome')}${code}${reason} in ${read('tookMs')} ms${next}`;
}

function answered(record: JournalRecord, read: (name: string) => string): string[] {
  const { wake } = record;
  const line = `revision ${read('revision')}, instance ${read('instance')}, answered ${read('code')} in ${read('tookMs')} ms`;
  if (typeof wake !== 'object' || wake === null) return [line];
  const phase = (name: string): string => String(Reflect.get(wake, name));
  return [
    line,
    `woken from zero: asked for after ${phase('queuedMs')} ms, ${phase('from') === 'pool' ? 'taken from the pool' : 'spawned'} after ${phase('startedMs')} ms, loaded after ${phase('loadedMs')} ms, ready after ${phase('readyMs')} ms, first byte after ${phase('firstByteMs')} ms`,
  ];
}
