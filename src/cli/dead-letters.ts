import { resolve } from 'node:path';
import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';
import { printable } from './trace.ts';

type Letter = {
  readonly channel: string;
  readonly group: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly failure: { readonly dest: string; readonly code: number; readonly reason: string };
  readonly event: Readonly<Record<string, string>>;
};

type Away = { readonly channel: string; readonly reason: string };

const HELP = `
Usage: millrace dead-letters list [-o json]
       millrace dead-letters show ID [SUBSCRIPTION-UID] [-o json]

What could not be delivered, and why. (Redrive comes later.)

Examples:
  millrace dead-letters list
  millrace dead-letters show 3f1c -o json
`;

export const deadLetters: Command = {
  summary: 'what could not be delivered, and why',
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, HELP, 3);
    if (parsed === undefined) return EXIT.done;
    const json = isJson(parsed.values);
    const [verb = 'list', id, group] = parsed.positionals;
    if (!['list', 'show'].includes(verb) || (verb === 'show' && id === undefined))
      throw new UserError('MR0053', 'dead-letters takes list, or show and an id', {
        fix: 'millrace dead-letters list',
        exit: EXIT.usage,
      });
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    const query = new URLSearchParams({
      ...(id !== undefined && { event: id }),
      ...(group !== undefined && { group }),
    });
    const { items, away } = await client.get<{ items: readonly Letter[]; away: readonly Away[] }>(
      `${PLATFORM_API}/deadletters?${query.toString()}`,
    );
    for (const { channel, reason } of away)
      context.stderr.write(`note: ${channel} cannot be read: ${reason}\n`);
    if (verb === 'show' && items.length === 0)
      throw new UserError('MR0054', `no dead letter has the id ${id}`, { exit: EXIT.notFound });
    const shown = verb === 'show' ? items.map(detail) : items.map(row);
    context.stdout.write(
      json ? `${JSON.stringify(items, undefined, 2)}\n` : shown.map((line) => `${line}\n`).join(''),
    );
    return EXIT.done;
  },
};

function row({ channel, diedMs, failure, event }: Letter): string {
  return printable(
    `${new Date(diedMs).toISOString()}  ${event['id']}  ${event['type']}  ${channel}  ${failure.code}  ${failure.reason}`,
  );
}

function detail({ channel, group, attempts, diedMs, failure, event }: Letter): string {
  const { data_base64: data = '', ...attributes } = event;
  const facts = {
    ...attributes,
    channel,
    subscription: group,
    attempts: String(attempts),
    died: new Date(diedMs).toISOString(),
    destination: failure.dest,
    code: String(failure.code),
    reason: failure.reason,
  };
  const lines = Object.entries(facts).map(([name, value]) => printable(`${name.padEnd(16)} ${value}`));
  return [
    ...lines,
    printable(`data             ${Buffer.from(data, 'base64').toString().slice(0, 2000)}`),
  ].join('\n');
}

const BACKUP_HELP = `
Usage: millrace backup DIR [--data-dir DIR]

Writes a consistent copy of a running platform's objects and events to DIR; millrace up --data-dir DIR is the restore.

Examples:
  millrace backup /var/backups/millrace
`;

export const backup: Command = {
  summary: "a consistent copy of a platform's objects and events",
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, BACKUP_HELP, 1);
    if (parsed === undefined) return EXIT.done;
    const [folder] = parsed.positionals;
    if (folder === undefined)
      throw new UserError('MR0055', 'backup takes a folder', {
        fix: 'millrace backup DIR',
        exit: EXIT.usage,
      });
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    await client.post(`${PLATFORM_API}/backup`, { folder: resolve(folder) });
    context.stdout.write(`${resolve(folder)}\n`);
    return EXIT.done;
  },
};
