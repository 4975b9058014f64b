import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Resource } from '../apis/resource.ts';
import { applyFile, untilReady } from './apply.ts';
import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command, type CommandContext, type ExitCode } from './command.ts';
import { parse } from './flags.ts';
import { sendGitHub } from './send-github.ts';
import { renderTrace, traceOf, type JournalRecord } from './trace.ts';
import {
  started,
  UP_FLAGS,
  UP_HELP,
  untilStopped,
  upOptions,
  type Startable,
  type Started,
  type UpOptions,
} from './up.ts';

const HELP = `
Usage: millrace demo [--once] [options of up]

Starts a platform on a folder of its own, applies examples/github-to-function, sends one signed GitHub push, and prints the way
that it took. Stays up until Ctrl-C; with --once it exits, 0 when the event arrived.
${UP_HELP}

Examples:
  millrace demo
  millrace demo --once
`;

const EXAMPLE = fileURLToPath(new URL('../../examples/github-to-function/', import.meta.url));
const IMAGE = 'github-greeter';
const SOURCE = { namespace: 'default', name: 'repository' };
const READY_WITHIN_MS = 20_000;
const ARRIVED_WITHIN_MS = 20_000;

/** `demo`, with what it starts handed in. */
export function demoCommand(start: Startable<UpOptions>): Command {
  return {
    summary: 'see a signed GitHub push wake a function',
    async run(context) {
      const parsed = parse(context, { ...UP_FLAGS, once: { type: 'boolean' } }, HELP, 0);
      if (parsed === undefined) return EXIT.done;
      const { values } = parsed;
      const isOwnFolder = values['data-dir'] === undefined;
      const dataDir = isOwnFolder ? mkdtempSync(join(tmpdir(), 'millrace-demo-')) : values['data-dir'];
      try {
        const options = await withFreePorts(context, upOptions(context, { ...values, 'data-dir': dataDir }));
        const platform = await started(start, options);
        return await show(context, platform, options, values.once === true);
      } finally {
        if (isOwnFolder && dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
      }
    },
  };
}

async function show(
  context: CommandContext,
  platform: Started,
  { dataDir }: UpOptions,
  isOnce: boolean,
): Promise<ExitCode> {
  const { stdout } = context;
  const say = (line: string): void => void stdout.write(`${line}\n`);
  say(`Millrace is up, ready in ${platform.readyInMs} ms`);
  for (const [name, url] of Object.entries(platform.endpoints)) say(`  ${name.padEnd(10)} ${url}`);
  say(`  export KUBECONFIG=${platform.kubeconfig}`);
  try {
    const client = await ApiClient.open({ ...context, env: {} }, dataDir);
    const { name, digest } = await client.post<{ name: string; digest: string }>(`${PLATFORM_API}/images`, {
      image: IMAGE,
      path: join(EXAMPLE, 'function'),
    });
    say(`\npushed     ${name}@${digest.slice(0, 19)}…`);
    await applyExample(client, say);
    const sent = await sendGitHub(client, { ...SOURCE, event: 'push' });
    say(
      `sent       a signed push, delivery ${sent.id}: ${sent.code}${sent.answer === '' ? '' : ` ${sent.answer}`}\n`,
    );
    if (sent.code !== 202)
      throw new UserError('MR0062', `the webhook answered ${sent.code}`, {
        why: sent.answer,
        exit: EXIT.failed,
      });
    const isArrived = await untilArrived(client, sent.id);
    say(await renderTrace(client, sent.id, await traceOf(client, sent.id)));
    if (!isArrived)
      throw new UserError('MR0063', 'the event did not reach the function in time', {
        fix: 'look at the trace above',
        exit: EXIT.failed,
      });
    if (isOnce) {
      await platform.close();
      return EXIT.done;
    }
    say('The platform stays up; try, in another terminal:');
    say(`  export KUBECONFIG=${platform.kubeconfig}`);
    say('  kubectl get githubsource,channel,subscription,ksvc,pods');
    say(`  bin/millrace send githubsource/${SOURCE.name} --event issues --data-dir ${dataDir}`);
    say('Ctrl-C ends it.');
  } catch (error) {
    await platform.close(0);
    throw error;
  }
  return untilStopped(context, platform);
}

async function applyExample(client: ApiClient, say: (line: string) => void): Promise<void> {
  const applied: Resource[] = [];
  const files = readdirSync(EXAMPLE)
    .filter((name) => /\.ya?ml$/.test(name))
    .toSorted();
  for (const file of files) {
    const objects = await applyFile(client, join(EXAMPLE, file));
    say(
      `applied    examples/github-to-function/${file}: ${objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')}`,
    );
    applied.push(...objects.filter(({ kind }) => kind !== 'Secret'));
  }
  // In the order of the files an object may wait for a later one, so all are waited for at the end.
  for (const object of applied) await untilReady(client, object, READY_WITHIN_MS);
}

/** Whether a function has answered the event, and what followed from its answer is over. */
async function untilArrived(client: ApiClient, id: string): Promise<boolean> {
  const endMs = Date.now() + ARRIVED_WITHIN_MS;
  while (Date.now() < endMs) {
    const { items } = await traceOf(client, id);
    const delivered = items.find(
      (record) => record.signal === 'dispatcher.attempted' && record['outcome'] === 'delivered',
    );
    const isReplied = items.some((record: JournalRecord) => record.signal === 'reply.sent');
    if (delivered !== undefined && (delivered['next'] !== 'reply' || isReplied)) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/** The defaults where they are free, any free port where they are not, saying so; what a flag names stays as it is. */
async function withFreePorts(context: CommandContext, options: UpOptions): Promise<UpOptions> {
  const given = new Set(
    context.args.flatMap((arg) => /^--(gateway|events|dashboard|api)\b/.exec(arg)?.[1] ?? []),
  );
  const moved: Partial<Record<'gateway' | 'events' | 'dashboard' | 'api', { host: string; port: number }>> =
    {};
  for (const name of ['gateway', 'events', 'dashboard', 'api'] as const) {
    const { host, port } = options[name];
    if (given.has(name) || (await isFree(host, port))) continue;
    context.stdout.write(`port ${port} is taken, so the ${name} listener takes any free one\n`);
    moved[name] = { host, port: 0 };
  }
  return { ...options, ...moved };
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
