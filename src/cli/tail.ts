import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';
import { describe, printable, type JournalRecord } from './trace.ts';

const HELP = `
Usage: millrace tail [channel/NAME] [--type T] [--source S] [-n NAMESPACE] [-o json]

Events as they are accepted, delivered, retried and dead-lettered, until Ctrl-C.

Examples:
  millrace tail
  millrace tail channel/orders --type order.paid
`;

export const tail: Command = {
  summary: 'events as they happen',
  async run(context) {
    const parsed = parse(
      context,
      {
        ...CLIENT_FLAGS,
        type: { type: 'string' },
        source: { type: 'string' },
        namespace: { type: 'string', short: 'n' },
      },
      HELP,
      1,
    );
    if (parsed === undefined) return EXIT.done;
    const { values, positionals } = parsed;
    const json = isJson(values);
    const [target] = positionals;
    const name = target === undefined ? undefined : /^channel\/([a-z0-9.-]+)$/.exec(target)?.[1];
    if (target !== undefined && name === undefined)
      throw new UserError('MR0052', `${target} cannot be followed`, {
        fix: 'millrace tail channel/NAME',
        exit: EXIT.usage,
      });
    const client = await ApiClient.open(context, values['data-dir']);
    const stop = new AbortController();
    process.once('SIGINT', () => stop.abort());
    const suffix = name === undefined ? undefined : `/${values.namespace ?? 'default'}/${name}`;
    const wanted = (record: JournalRecord): boolean =>
      record.signal !== 'serving.instance' &&
      (suffix === undefined || String(record['channel']).endsWith(suffix)) &&
      (values.type === undefined || record['type'] === values.type) &&
      (values.source === undefined || record['source'] === values.source);
    for await (const record of client.follow<JournalRecord>(
      `${PLATFORM_API}/journal?follow=true`,
      stop.signal,
    )) {
      if (!wanted(record)) continue;
      const id = typeof record['id'] === 'string' ? record['id'] : '';
      const text = describe(record, new Map()).join('; ');
      context.stdout.write(
        json
          ? `${JSON.stringify(record)}\n`
          : `${new Date(record.atMs).toISOString().slice(11, 23)} ${printable(`${id} ${text}`)}\n`,
      );
    }
    return EXIT.done;
  },
};
