/** Knative's heartbeats: sends an event to its sink every now and then. Copied alone: it imports nothing of ours. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

function log(text: string): void {
  const at = new Date().toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ');
  process.stderr.write(`${at} ${text}\n`);
}

function fail(text: string): never {
  log(text);
  process.exit(1);
}

/** Go knows flags with one dash, too. */
const flags = parseArgs({
  args: process.argv.slice(2).map((each) => each.replace(/^-(?=[a-zA-Z])/, '--')),
  options: {
    eventSource: { type: 'string', default: '' },
    eventType: { type: 'string', default: 'dev.knative.eventing.samples.heartbeat' },
    sink: { type: 'string', default: '' },
    label: { type: 'string', default: '' },
    period: { type: 'string', default: '5s' },
  },
}).values;

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it, or a number of seconds. */
function periodMs(text: string): number {
  if (text === '') return 5000;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text)
    return fail(`Invalid period interval provided: ${JSON.stringify(text)}`);
  return parts.reduce((sum, [, number = '0', unit = 's']) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
}

function required(name: string): string {
  return process.env[name] ?? fail(`[ERROR] Failed to process env var: required key ${name} missing value`);
}

function overrides(): Readonly<Record<string, string>> {
  const text = process.env['K_CE_OVERRIDES'] ?? '';
  if (text === '') return {};
  try {
    const { extensions = {} } = JSON.parse(text) as {
      readonly extensions?: Readonly<Record<string, string>>;
    };
    return extensions;
  } catch (error) {
    return fail(`[ERROR] Unparseable CloudEvents overrides ${text}: ${String(error)}`);
  }
}

const [podName, podNamespace] = [required('POD_NAME'), required('POD_NAMESPACE')];
const isOneShot = ['1', 't', 'true'].includes((process.env['ONE_SHOT'] ?? '').toLowerCase());
const sink = process.env['K_SINK'] || flags.sink;
const everyMs = periodMs(flags.period);
const label = /^".*"$/.test(flags.label) ? flags.label.slice(1, -1) : flags.label;
const source =
  flags.eventSource || `https://knative.dev/eventing-contrib/cmd/heartbeats/#${podNamespace}/${podName}`;
if (flags.eventSource === '') log(`Heartbeats Source: ${source}`);
const extensions = { the: '42', heart: 'yes', beats: 'true', ...overrides() };

async function send(sequence: number): Promise<void> {
  log(`sending cloudevent to ${sink}`);
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-type': flags.eventType,
    'ce-source': source,
    'ce-time': new Date().toISOString(),
    ...Object.fromEntries(Object.entries(extensions).map(([name, value]) => [`ce-${name}`, value])),
  };
  try {
    const answer = await fetch(sink, {
      method: 'POST',
      headers,
      body: JSON.stringify({ id: sequence, label }),
    });
    await answer.arrayBuffer();
    if (!answer.ok) log(`failed to send cloudevent: ${answer.status}`);
  } catch (error) {
    log(`failed to send cloudevent: ${String(error)}`);
  }
}

for (let sequence = 1; ; sequence += 1) {
  const startedMs = Date.now();
  await send(sequence);
  if (isOneShot) break;
  await pause(Math.max(0, everyMs - (Date.now() - startedMs)));
}
