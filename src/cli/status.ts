import { ApiClient, notRunning, PLATFORM_API, runningOn } from './client.ts';
import { EXIT, type Command } from './command.ts';
import { CLIENT_FLAGS, dataDirOf, isJson, parse } from './flags.ts';
import { printable } from './trace.ts';

type Status = {
  readonly version: string;
  readonly pid: number;
  readonly ready: boolean;
  readonly dataDir: string;
  readonly kubeconfig: string;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly subscriptions: readonly {
    readonly channel: string;
    readonly group: string;
    readonly subscription?: string; // namespace/name, while it is there
    readonly events: number;
    readonly retrying: number;
    readonly dead: number;
  }[];
  /** Channels that cannot tell what they owe. */
  readonly away: readonly { readonly channel: string; readonly reason: string }[];
  /** What was applied and is not ready, and why. */
  readonly notReady: readonly {
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
    readonly reason: string;
    readonly message: string;
  }[];
  /** Of the platform's own process. */
  readonly memoryBytes: number;
  readonly instances: readonly {
    readonly namespace: string;
    readonly pod: string;
    readonly cores: number;
    readonly memoryBytes: number;
  }[];
};

/** The busiest; `kubectl top pods -A` tells of all. */
const INSTANCES_SHOWN = 20;
const NOT_READY_SHOWN = 20;

const HELP = `
Usage: millrace status [--data-dir DIR] [-o json]

Version, pid, addresses, what each subscription is owed, what is not ready and why, and what instances use. Exit 3 when
nothing runs.

Examples:
  millrace status
  millrace status -o json
`;

export const status: Command = {
  summary: 'what runs, where it answers, what it owes',
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, HELP, 0);
    if (parsed === undefined) return EXIT.done;
    const json = isJson(parsed.values);
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    const found = await client.get<Status>(`${PLATFORM_API}/status`);
    context.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : rendered(found));
    return EXIT.done;
  },
};

function rendered({
  version,
  pid,
  ready,
  dataDir,
  kubeconfig,
  endpoints,
  subscriptions,
  away,
  memoryBytes,
  notReady,
  instances,
}: Status): string {
  const lines = [
    `Millrace ${version}, pid ${pid}, ${ready ? 'ready' : 'not ready'}`,
    ...Object.entries(endpoints).map(([name, url]) => `  ${name.padEnd(10)} ${url}`),
    `  data       ${dataDir}`,
    `  memory     ${mebibytes(memoryBytes)}`,
    `  export KUBECONFIG=${kubeconfig}`,
    ...subscriptions.map(
      ({ channel, group, subscription, events, retrying, dead }) =>
        `  ${channel} → ${subscription ?? group}: ${events} owed, ${retrying} in retry, ${dead} dead`,
    ),
    ...away.map(({ channel, reason }) => `  ${channel}: unknown, ${reason}`),
    ...lacking(notReady),
    ...used(instances),
  ];
  return `${lines.join('\n')}\n`;
}

function lacking(notReady: Status['notReady']): readonly string[] {
  const lines = notReady.slice(0, NOT_READY_SHOWN).map(({ kind, namespace, name, reason, message }) => {
    const why = (message === '' ? reason : message).split('\n').map(printable).join('\n    ');
    return `  not ready: ${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}: ${why}`;
  });
  const more = notReady.length - lines.length;
  return more > 0
    ? [...lines, `  and ${more} more that are not ready (kubectl get ksvc,channel,subscription -A)`]
    : lines;
}

function used(instances: Status['instances']): readonly string[] {
  const busiest = instances.toSorted((a, b) => b.cores - a.cores || b.memoryBytes - a.memoryBytes);
  const lines = busiest
    .slice(0, INSTANCES_SHOWN)
    .map(
      ({ namespace, pod, cores, memoryBytes }) =>
        `  pod ${namespace}/${pod}: ${Math.ceil(cores * 1000)}m CPU, ${mebibytes(memoryBytes)}`,
    );
  const more = busiest.length - lines.length;
  return more > 0 ? [...lines, `  and ${more} more pods (kubectl top pods -A)`] : lines;
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;

const DOWN_HELP = `
Usage: millrace down [--data-dir DIR]

Drains the platform and stops it.

Examples:
  millrace down
  millrace down --data-dir ./data
`;

const DOWN_WITHIN_MS = 120_000;

export const down: Command = {
  summary: 'drain the platform and stop it',
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, DOWN_HELP, 0);
    if (parsed === undefined) return EXIT.done;
    const dataDir = dataDirOf(context, parsed.values['data-dir']);
    const run = runningOn(dataDir);
    if (run === undefined) throw notRunning(`data folder ${dataDir}`);
    process.kill(run.pid, 'SIGTERM');
    const endMs = Date.now() + DOWN_WITHIN_MS;
    while (runningOn(dataDir) !== undefined) {
      if (Date.now() > endMs) return EXIT.timedOut;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    context.stdout.write(`stopped (pid ${run.pid})\n`);
    return EXIT.done;
  },
};
