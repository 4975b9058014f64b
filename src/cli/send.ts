import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../base/errors.ts';
import { writeBinary } from '../events/binary.ts';
import type { CloudEvent } from '../events/event.ts';
import { ApiClient } from './client.ts';
import { EXIT, UserError, type Command, type CommandContext, type ExitCode } from './command.ts';
import { CLIENT_FLAGS, isJson, numberOf, parse } from './flags.ts';
import { post, readFileOr, type Posted } from './post.ts';
import { sendGitHub } from './send-github.ts';

const HELP = `
Usage: millrace send TARGET --type T [--source S] [--id I] [--subject S] [--data JSON | --data-file F] [--ext k=v …]
                     [--count N] [--rate N] [-n NAMESPACE] [-o json]
       millrace send githubsource/NAME --event push [--action A] [--data-file F] [-n NAMESPACE]

Sends an event, and prints its id and the answer. TARGET is channel/NAME, service/NAME or a URL. For a GitHubSource it
signs a published example payload (or F) with the source's secret and posts it to its webhook door.

Examples:
  millrace send channel/orders --type order.paid --data '{"total":7}'
  millrace send githubsource/repo --event push
`;

const FLAGS = {
  ...CLIENT_FLAGS,
  type: { type: 'string' },
  source: { type: 'string' },
  id: { type: 'string' },
  subject: { type: 'string' },
  data: { type: 'string' },
  'data-file': { type: 'string' },
  ext: { type: 'string', multiple: true },
  count: { type: 'string' },
  rate: { type: 'string' },
  event: { type: 'string' },
  action: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
} as const;

export const send: Command = {
  summary: 'send an event, or a signed GitHub delivery',
  async run(context) {
    const parsed = parse(context, FLAGS, HELP);
    if (parsed === undefined) return EXIT.done;
    const { values, positionals } = parsed;
    const json = isJson(values);
    const [target] = positionals;
    if (target === undefined || positionals.length > 1)
      throw new UserError('MR0040', 'send takes one target', {
        fix: 'millrace send channel/NAME --type T',
        exit: EXIT.usage,
      });
    const namespace = values.namespace ?? 'default';
    if (target.startsWith('githubsource/')) {
      const client = await ApiClient.open(context, values['data-dir']);
      const posted = await sendGitHub(client, {
        namespace,
        name: target.slice('githubsource/'.length),
        event: values.event ?? 'push',
        action: values.action,
        file: values['data-file'],
      });
      return report(context, posted, json);
    }
    return sendEvents(context, target, namespace, values, json);
  },
};

type Values = { readonly [Flag in keyof typeof FLAGS]?: string | boolean | string[] };

async function sendEvents(
  context: CommandContext,
  target: string,
  namespace: string,
  values: Values,
  json: boolean,
): Promise<ExitCode> {
  const count = numberOf('count', text(values.count) ?? '1');
  const perSecond =
    values.rate === undefined
      ? Number.POSITIVE_INFINITY
      : numberOf('rate', (text(values.rate) ?? '').replace(/\/s$/, ''));
  const { url, host } = await addressOf(context, target, namespace, values['data-dir']);
  let last: ExitCode = EXIT.done;
  const startMs = performance.now();
  for (let i = 0; i < count; i += 1) {
    const event = eventFrom(values, i);
    const headers = pairsToObject(writeBinary(event));
    const code = report(
      context,
      await post({ url, host, headers, body: Buffer.from(event.body) }, event.attributes.get('id') ?? ''),
      json,
    );
    if (code !== EXIT.done) last = code;
    const aheadMs = ((i + 1) * 1000) / perSecond - (performance.now() - startMs);
    if (aheadMs > 0 && i + 1 < count) await pause(aheadMs);
  }
  return last;
}

function eventFrom(values: Values, index: number): CloudEvent {
  const type = text(values.type);
  if (type === undefined)
    throw new UserError('MR0041', '--type is required', {
      fix: 'millrace send TARGET --type order.paid',
      exit: EXIT.usage,
    });
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', values.id === undefined ? randomUUID() : `${text(values.id)}${index === 0 ? '' : `-${index}`}`],
    ['source', text(values.source) ?? '/millrace/send'],
    ['type', type],
  ]);
  const subject = text(values.subject);
  if (subject !== undefined) attributes.set('subject', subject);
  for (const pair of Array.isArray(values.ext) ? values.ext : []) {
    const [, name, value] = /^([a-z0-9]+)=(.+)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined)
      throw new UserError(
        'MR0042',
        `--ext ${pair} is not name=value, the name in lower-case letters and digits`,
        { exit: EXIT.usage },
      );
    attributes.set(name, value);
  }
  const body = bodyFrom(values);
  return {
    attributes,
    contentType: body === undefined ? undefined : 'application/json',
    body: body ?? Buffer.alloc(0),
  };
}

function bodyFrom(values: Values): Buffer | undefined {
  const file = text(values['data-file']);
  if (file !== undefined) return readFileOr(file);
  const data = text(values.data);
  if (data === undefined) return undefined;
  try {
    JSON.parse(data);
  } catch (error) {
    throw new UserError('MR0043', '--data is not JSON', {
      why: messageOf(error),
      fix: `--data '{"key":"value"}', or --data-file`,
      exit: EXIT.usage,
    });
  }
  return Buffer.from(data);
}

/** Where a target answers; a service by its name inside the cluster, through the events listener. */
async function addressOf(
  context: CommandContext,
  target: string,
  namespace: string,
  dataDir: unknown,
): Promise<{ url: string; host: string | undefined }> {
  if (/^https?:\/\//.test(target)) return { url: target, host: undefined };
  const [, kind, name] = /^(channel|service)\/([a-z0-9.-]+)$/.exec(target) ?? [];
  if (kind === undefined)
    throw new UserError('MR0045', `${target} is no target`, {
      fix: 'channel/NAME, service/NAME, githubsource/NAME or a URL (brokers come later)',
      exit: EXIT.usage,
    });
  const { run } = await ApiClient.open(context, dataDir);
  if (run === undefined)
    throw new UserError('MR0046', 'events are sent to a platform on this machine', {
      fix: 'name its folder with --data-dir, or give a URL',
      exit: EXIT.notFound,
    });
  const { events } = run.endpoints;
  return kind === 'channel'
    ? { url: `${events}/channels/${namespace}/${name}`, host: undefined }
    : { url: `${events}/`, host: `${name}.${namespace}.svc.cluster.local` };
}

function report({ stdout }: CommandContext, { id, code, answer }: Posted, json: boolean): ExitCode {
  stdout.write(
    json
      ? `${JSON.stringify({ id, code, answer })}\n`
      : `${id} ${code}${answer === '' ? '' : ` ${answer}`}\n`,
  );
  return code >= 200 && code < 300 ? EXIT.done : EXIT.failed;
}

function pairsToObject(pairs: readonly string[]): Record<string, string> {
  const object: Record<string, string> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) object[pairs[i] ?? ''] = pairs[i + 1] ?? '';
  return object;
}

const text = (value: string | boolean | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;
