import { ApiClient, notRunning, PLATFORM_API, runningOn } from './client.ts';
import { EXIT, type Command } from './command.ts';
import { CLIENT_FLAGS, dataDirOf, isJson, parse } from './flags.ts';

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
    readonly events: number;
    readonly retrying: number;
    readonly dead: number;
  }[];
  /** Channels that cannot tell what they owe. */
  readonly away: readonly { readonly channel: string; readonly reason: string }[];
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

const HELP = `
Usage: millrace status [--data-dir DIR] [-o json]

Version, pid, addresses, what each subscription is owed, and what instances use. Exit 3 when nothing runs.

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
  instances,
}: Status): string {
  const lines = [
    `Millrace ${version}, pid ${pid}, ${ready ? 'ready' : 'not ready'}`,
    ...Object.entries(endpoints).map(([name, url]) => `  ${name.padEnd(10)} ${url}`),
    `  data       ${dataDir}`,
    `  memory     ${mebibytes(memoryBytes)}`,
    `  export KUBECONFIG=${kubeconfig}`,
    ...subscriptions.map(
      ({ channel, group, events, retrying, dead }) =>
        `  ${channel} → ${group}: ${events} owed, ${retrying} in retry, ${dead} dead`,
    ),
    ...away.map(({ channel, reason }) => `  ${channel}: unknown, ${reason}`),
    ...used(instances),
  ];
  return `${lines.join('\n')}\n`;
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
