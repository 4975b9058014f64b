import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import { messageOf, PlatformError } from '../base/errors.ts';
import { systemClock } from '../base/clock.ts';
import { ApiClient } from './client.ts';
import { EXIT, UserError, type Command, type CommandContext } from './command.ts';
import { CLIENT_FLAGS, isJson, numberOf, parse } from './flags.ts';
import { post } from './post.ts';
import { printable } from './trace.ts';

/** What forwarding needs of GitHub; sources/github/forward.ts is it, handed in by platform/main.ts. */
export type Forward = {
  readonly hookId: string;
  readonly isTemporary: boolean;
  poll(signal: AbortSignal): Promise<{
    readonly deliveries: readonly ForwardedDelivery[];
    readonly trouble: { readonly message: string; readonly notBeforeMs: number } | undefined;
  }>;
  close(signal: AbortSignal): Promise<void>;
};
export type ForwardedDelivery = { readonly id: string; readonly event: string; readonly body: Uint8Array };
export type OpenForward = (
  options: {
    readonly apiUrl: string | undefined;
    readonly target: string;
    readonly token: string;
    readonly secret: string;
    readonly events: readonly string[];
    readonly hookId: string | undefined;
    readonly who: string;
  },
  signal: AbortSignal,
) => Promise<Forward>;

type SecretKey = { readonly secretKeyRef: { readonly name: string; readonly key: string } };
type SourceObject = {
  readonly spec: {
    readonly ownerAndRepository: string;
    readonly eventTypes: readonly string[];
    readonly githubAPIURL?: string;
    readonly secretToken: SecretKey;
    readonly accessToken?: SecretKey;
  };
};

const HELP = `
Usage: millrace github forward --source NAME [--repo OWNER/REPO | --org ORG] [--hook ID] [--every SECONDS] [-n NAMESPACE] [-o json]

For a machine that GitHub cannot reach: asks GitHub every few seconds for the deliveries of a webhook, and posts them to the
local GitHubSource, signed with its secret, until Ctrl-C. Without --hook it registers a webhook of its own, which goes when it
ends. The access token is taken from GH_TOKEN or GITHUB_TOKEN, else from the Secret that the source's accessToken names.

Examples:
  GH_TOKEN=$(gh auth token) millrace github forward --repo octocat/hello-world --source repository
  millrace github forward --source repository --hook 471234567
`;

const FLAGS = {
  ...CLIENT_FLAGS,
  source: { type: 'string' },
  repo: { type: 'string' },
  org: { type: 'string' },
  hook: { type: 'string' },
  every: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
} as const;

const EVERY_S = 5;
const REMOVED_WITHIN_MS = 20_000;

export function githubCommand(openForward: OpenForward): Command {
  return {
    summary: 'bring GitHub events to a machine without a public address',
    async run(context) {
      const parsed = parse(context, FLAGS, HELP);
      if (parsed === undefined) return EXIT.done;
      const { values, positionals } = parsed;
      if (positionals[0] !== 'forward' || positionals.length > 1 || values.source === undefined)
        throw new UserError('MR0080', 'github can forward, and needs to know to which source', {
          fix: 'millrace github forward --repo OWNER/REPO --source NAME',
          exit: EXIT.usage,
        });
      const json = isJson(values);
      const everyMs = numberOf('every', values.every ?? String(EVERY_S)) * 1000;
      const client = await ApiClient.open(context, values['data-dir']);
      if (client.run === undefined)
        throw new UserError('MR0081', 'deliveries are forwarded to a platform on this machine', {
          fix: 'name its folder with --data-dir',
          exit: EXIT.notFound,
        });
      const [namespace, name] = [values.namespace ?? 'default', values.source];
      const { spec } = await client.get<SourceObject>(
        `/apis/sources.knative.dev/v1alpha1/namespaces/${namespace}/githubsources/${name}`,
      );
      const secret = await secretAt(client, namespace, spec.secretToken);
      const target = values.repo ?? values.org ?? spec.ownerAndRepository;
      const options = {
        apiUrl: spec.githubAPIURL,
        target,
        token: await tokenFor(context, client, namespace, spec.accessToken),
        secret,
        events: spec.eventTypes,
        hookId: values.hook,
        who: `${hostname()} ${client.run.dataDir} ${namespace}/${name}`,
      };
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      const forward = await openForward(options, stop.signal).catch(told);
      const made = forward.isTemporary ? ', which was registered for this and goes with it' : '';
      context.stderr.write(
        `forwarding webhook ${forward.hookId} of ${target}${made}, to githubsource/${name}; Ctrl-C ends it\n`,
      );
      const url = `${client.run.endpoints.gateway}/webhooks/${namespace}/${name}`;
      try {
        await forwardAll(context, forward, { url, secret, everyMs, json }, stop.signal);
      } finally {
        await forward.close(AbortSignal.timeout(REMOVED_WITHIN_MS)).catch(told);
      }
      return EXIT.done;
    },
  };
}

type Way = {
  readonly url: string;
  readonly secret: string;
  readonly everyMs: number;
  readonly json: boolean;
};

async function forwardAll(
  context: CommandContext,
  forward: Forward,
  way: Way,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { deliveries, trouble } = await forward.poll(signal).catch((error: unknown) => {
      if (signal.aborted) return { deliveries: [], trouble: undefined };
      return told(error);
    });
    for (const delivery of deliveries) await forwardOne(context, delivery, way);
    if (trouble !== undefined) context.stderr.write(`${printable(trouble.message)}\n`);
    await systemClock.until(Math.max(Date.now() + way.everyMs, trouble?.notBeforeMs ?? 0), signal);
  }
}

/** As GitHub sends it; what the source makes of it is printed, and is not tried again. */
async function forwardOne(
  { stdout }: CommandContext,
  { id, event, body }: ForwardedDelivery,
  { url, secret, json }: Way,
): Promise<void> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/millrace',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
  const { code, answer } = await post({ url, host: undefined, headers, body: Buffer.from(body) }, id);
  stdout.write(
    json
      ? `${JSON.stringify({ id, event, code, answer })}\n`
      : `${printable(`${id} ${event} ${code} ${answer}`)}\n`,
  );
}

/** The environment first, as `gh` reads it: the token of a source need not be there at all. */
async function tokenFor(
  { env }: CommandContext,
  client: ApiClient,
  namespace: string,
  accessToken: SecretKey | undefined,
): Promise<string> {
  const token =
    env['GH_TOKEN'] ||
    env['GITHUB_TOKEN'] ||
    (accessToken === undefined ? '' : (await secretAt(client, namespace, accessToken)).trim());
  if (token !== '') return token;
  throw new UserError('MR0082', 'there is no access token for GitHub', {
    fix: 'GH_TOKEN=$(gh auth token) millrace github forward …; it may read and write webhooks',
    exit: EXIT.notFound,
  });
}

async function secretAt(
  client: ApiClient,
  namespace: string,
  { secretKeyRef: { name, key } }: SecretKey,
): Promise<string> {
  const { data } = await client.get<{ readonly data?: Readonly<Record<string, string>> }>(
    `/api/v1/namespaces/${namespace}/secrets/${name}`,
  );
  return Buffer.from(data?.[key] ?? '', 'base64').toString();
}

/** What GitHub does not do is the user's to mend: its message says how. */
function told(error: unknown): never {
  if (!(error instanceof PlatformError)) throw error;
  throw new UserError('MR0083', messageOf(error), { exit: EXIT.failed });
}
