import { parseGoDuration } from '../base/duration.ts';
import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';

type Row = {
  readonly namespace: string;
  readonly service: string;
  readonly revision: string; // empty: of all revisions together
  readonly requests: number;
  readonly instanceSeconds: number;
  readonly cpuSeconds: number;
  readonly gibSeconds: number;
};

const HELP = `
Usage: millrace usage [SERVICE] [-n NAMESPACE] [--since WHEN] [-o json]

What each Service has used: requests, seconds of instances, CPU seconds, GiB-seconds of memory. With a SERVICE, revision by
revision. WHEN is a span back from now (24h, 90m) or a time (RFC 3339), to the hour, up to 90 days ago; without it: since
ever. A kill of the platform loses at most the last 10 seconds.

Examples:
  millrace usage
  millrace usage greeter --since 24h
  millrace usage -n shop --since 2026-01-01T00:00:00Z -o json
`;

export const usage: Command = {
  summary: 'requests, instance, CPU and memory time by Service',
  async run(context) {
    const flags = {
      ...CLIENT_FLAGS,
      namespace: { type: 'string', short: 'n' },
      since: { type: 'string' },
    } as const;
    const parsed = parse(context, flags, HELP, 1);
    if (parsed === undefined) return EXIT.done;
    const { namespace, since, 'data-dir': dataDir } = parsed.values;
    const json = isJson(parsed.values);
    const [service] = parsed.positionals;
    const query = new URLSearchParams({
      by: service === undefined ? 'service' : 'revision',
      ...(namespace !== undefined && { namespace }),
      ...(service !== undefined && { service }),
      ...(since !== undefined && { since: String(sinceMs(since, Date.now())) }),
    });
    const client = await ApiClient.open(context, dataDir);
    const { items } = await client.get<{ readonly items: readonly Row[] }>(
      `${PLATFORM_API}/usage?${query.toString()}`,
    );
    context.stdout.write(json ? `${JSON.stringify(items, undefined, 2)}\n` : table(items));
    return EXIT.done;
  },
};

/** Milliseconds since the epoch. */
function sinceMs(written: string, nowMs: number): number {
  const spanMs = parseGoDuration(written);
  const atMs = spanMs === undefined ? Date.parse(written) : nowMs - spanMs;
  if (!Number.isNaN(atMs) && atMs >= 0) return Math.round(atMs);
  throw new UserError('MR0084', `--since ${written} is neither a span nor a time`, {
    fix: '--since 24h, or --since 2026-01-01T00:00:00Z',
    exit: EXIT.usage,
  });
}

const HEADINGS = ['NAMESPACE', 'SERVICE', 'REVISION', 'REQUESTS', 'INSTANCE-S', 'CPU-S', 'GIB-S'];

function table(rows: readonly Row[]): string {
  if (rows.length === 0) return 'nothing has been used\n';
  const seconds = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
  const cells = rows.map((row) => [
    row.namespace,
    row.service,
    row.revision === '' ? '*' : row.revision,
    String(row.requests),
    seconds(row.instanceSeconds),
    seconds(row.cpuSeconds),
    seconds(row.gibSeconds),
  ]);
  const widths = HEADINGS.map((heading, i) =>
    Math.max(heading.length, ...cells.map((line) => line[i]?.length ?? 0)),
  );
  const lines = [HEADINGS, ...cells].map((line) =>
    line
      .map((cell, i) => (i < 3 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
