import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { ApiClient, runningOn } from './client.ts';
import { EXIT, UserError, type Command, type CommandContext, type ExitCode } from './command.ts';
import { DevSession } from './dev/dev-session.ts';
import { Door } from './dev/door.ts';
import { LiveService } from './dev/live-service.ts';
import { dataDirOf, numberOf, parse } from './flags.ts';
import { started, upOptions, type Startable, type Started, type UpOptions } from './up.ts';

const HELP = `
Usage: millrace dev DIR [--name NAME] [-n NAMESPACE] [--port PORT] [--keep] [--data-dir DIR]

Runs a source folder as a Service and takes every save: pushes it, rolls it out, and prints where it answers, its requests, what
it prints, and what is wrong with file and line. A save that is broken changes nothing: the last good one goes on. Uses the
platform that runs; where none does, it starts one for as long as it lasts. Ctrl-C removes the Service, unless it was there
before or --keep is given.

  --name NAME      of the Service (the name of the folder)
  -n, --namespace  (default)
  --port PORT      answers at 127.0.0.1:PORT (any free one)
  --keep           leaves the Service when it ends
  --data-dir DIR   of the platform

Examples:
  millrace dev ./greeter
  millrace dev . --name greeter --port 3000
`;

const FLAGS = {
  name: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
  port: { type: 'string' },
  keep: { type: 'boolean' },
  'data-dir': { type: 'string' },
} as const;

type Target = { readonly path: string; readonly namespace: string; readonly name: string };

/** `dev`, with what it starts handed in. */
export function devCommand(start: Startable<UpOptions>): Command {
  return {
    summary: 'run a source folder as a Service, anew at each save',
    async run(context) {
      const parsed = parse(context, FLAGS, HELP, 1);
      if (parsed === undefined) return EXIT.done;
      const { values } = parsed;
      const target = targetOf(parsed.positionals[0], values.name, values.namespace);
      const port = numberOf('port', values.port ?? '0', 0);
      const stop = untilSignal(); // listens first
      const own = await ownPlatform(context, start, values['data-dir']);
      try {
        const client = await ApiClient.open(context, own?.dataDir ?? values['data-dir']);
        return await live(context, client, target, { port, isKept: values.keep === true, stop });
      } finally {
        await own?.close();
      }
    },
  };
}

type Manner = { readonly port: number; readonly isKept: boolean; readonly stop: AbortSignal };

async function live(
  context: CommandContext,
  client: ApiClient,
  target: Target,
  { port, isKept, stop }: Manner,
): Promise<ExitCode> {
  const service = new LiveService(client, target.namespace, target.name);
  await service.open();
  const session = new DevSession({ client, service, ...target, out: context.stdout });
  const door = new Door({
    port,
    gateway: () => session.gateway,
    onAnswer: (answered) => session.tellAnswered(answered),
  });
  const url = await door.open().catch((error: unknown) => {
    throw new UserError('MR0034', messageOf(error), {
      fix: 'stop the other program, or leave --port out',
      exit: EXIT.failed,
    });
  });
  try {
    await session.run(url, stop);
  } finally {
    door.close();
    const isLeft = isKept || service.wasThere;
    if (!isLeft) await service.remove().catch(() => undefined); // none was made
    const what = `Service ${target.namespace}/${target.name}`;
    context.stdout.write(isLeft ? `left      ${what}\n` : `removed   ${what}\n`);
  }
  return EXIT.done;
}

function targetOf(path: string | undefined, name: string | undefined, namespace = 'default'): Target {
  if (path === undefined)
    throw new UserError('MR0032', 'dev takes a folder', { fix: 'millrace dev DIR', exit: EXIT.usage });
  const full = resolve(path);
  if (!existsSync(full)) throw new UserError('MR0033', `${path} does not exist`, { exit: EXIT.notFound });
  const own = name ?? nameFrom(basename(full));
  if (!/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(own))
    throw new UserError('MR0032', `${JSON.stringify(own)} is no name of a Service`, {
      fix: '--name with lower-case letters, digits and -',
      exit: EXIT.usage,
    });
  return { path: full, namespace, name: own };
}

/** `My_greeter.ts` is `my-greeter`. */
function nameFrom(file: string): string {
  return file
    .replace(/\.[cm]?[jt]s$/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '');
}

/** A platform for as long as this command lasts; undefined where one runs already, or KUBECONFIG names one. */
async function ownPlatform(
  context: CommandContext,
  start: Startable<UpOptions>,
  given: string | undefined,
): Promise<{ readonly dataDir: string; readonly close: () => Promise<void> } | undefined> {
  if (runningOn(dataDirOf(context, given)) !== undefined) return undefined;
  const kubeconfig = context.env['KUBECONFIG'];
  if (given === undefined && kubeconfig !== undefined && existsSync(kubeconfig)) return undefined;
  const dataDir = given ?? mkdtempSync(join(tmpdir(), 'millrace-dev-'));
  const forget = (): void => {
    if (given === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  let platform: Started;
  try {
    platform = await started(start, upOptions(context, { ...ANY_PORTS, 'data-dir': dataDir }));
  } catch (error) {
    forget();
    throw error;
  }
  context.stdout.write(
    `platform  none was running, so one is started for as long as this lasts\n          export KUBECONFIG=${platform.kubeconfig}\n`,
  );
  return {
    dataDir,
    async close() {
      await platform.close();
      forget();
    },
  };
}

const ANY_PORTS = Object.fromEntries(
  ['gateway', 'events', 'dashboard', 'api'].map((name) => [name, '127.0.0.1:0']),
);

/** Aborts at the first signal; a second one ends the process at once. */
function untilSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(EXIT.failed);
      stop.abort();
    });
  }
  return stop.signal;
}
