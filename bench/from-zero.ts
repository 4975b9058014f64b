import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import type { Folders } from './bundles.ts';
import { BenchChild } from './child.ts';
import { freePort } from './free-port.ts';
import type { Bench, BenchOptions } from './results.ts';
import { fdatasyncMs, tableOf, type Figures } from './rounds.ts';

/** So many wakes a round: at 11 rounds enough for a p99. */
const WAKES_A_ROUND = 10;
const BODY = '{"total":12345678901234567890}';
/** What the former instance still has to do at its end is not to be measured. */
const QUIET_MS = 30;

/**
 * One service at a time, through the whole path: from the POST to its channel until the first line of a Node function,
 * and until its response is back at the gateway. The commit is included.
 */
export const functionFromZero =
  (folder: 'functionShared' | 'functionOwn'): Bench =>
  async (options) => {
    const services = {
      worker: { directory: options.folders[folder], launch: { kind: 'function', entry: 'index.mjs' } },
    };
    const platform = await open(services, options);
    const rows: Figures[] = [];
    await wake(platform, 'worker', true); // the first costs what every process pays once
    for (let i = 0; i < options.rounds * WAKES_A_ROUND; i += 1) {
      const { acceptedMs, firstLineMs, answeredMs, phases } = await wake(platform, 'worker', true);
      rows.push({
        'to first line ms': firstLineMs,
        'to response ms': answeredMs,
        'to 202 ms': acceptedMs,
        'at the gateway ms': phases.arrivedMs,
        'then asked for an instance ms': phases.queuedMs,
        'then a runner had it ms': phases.startedMs,
        'then it was ready ms': phases.readyMs,
        'then it had answered ms': phases.answeredMs,
        ...(i % WAKES_A_ROUND === 0 && { 'fdatasync p50 ms': fdatasyncMs() }),
      });
    }
    await platform.child.close();
    return tableOf(rows);
  };

/** A program: its way through the platform, beside its bare spawn to the first response, in turn. */
export const programFromZero =
  (language: 'program' | 'python' | 'go'): Bench =>
  async (options) => {
    const directory = options.folders[language];
    if (directory === undefined) return {}; // its tool is not on this machine
    const command = commandOf(language);
    const platform = await open({ worker: { directory, launch: { kind: 'program', command } } }, options);
    const rows: Figures[] = [];
    await wake(platform, 'worker', false);
    for (let i = 0; i < options.rounds * WAKES_A_ROUND; i += 1) {
      const early = i % 2 === 0 ? await bareSpawn(directory, command) : undefined;
      const { answeredMs } = await wake(platform, 'worker', false);
      const bareMs = early ?? (await bareSpawn(directory, command));
      rows.push({ 'added ms': answeredMs - bareMs, 'to response ms': answeredMs, 'bare spawn ms': bareMs });
    }
    await platform.child.close();
    return tableOf(rows);
  };

type Platform = { readonly child: BenchChild; readonly port: number };
type Woken = {
  readonly acceptedMs: number;
  readonly firstLineMs: number;
  readonly answeredMs: number;
  /** Each from the end of the one before; the first since the event was sent. */
  readonly phases: Readonly<
    Record<'arrivedMs' | 'queuedMs' | 'startedMs' | 'readyMs' | 'answeredMs', number>
  >;
};

async function open(services: unknown, { profileFolder }: BenchOptions): Promise<Platform> {
  const plan = JSON.stringify({ subscriberUrl: 'http://127.0.0.1:9/', services });
  const child = new BenchChild('./platform-child.ts', [plan], profileFolder);
  const port = await child.port();
  return { child, port };
}

let lastId = 0;

/** Scales to zero, sends one event, and says when what had happened, in milliseconds since it was sent. */
async function wake({ child, port }: Platform, service: string, printsFirstLine: boolean): Promise<Woken> {
  await child.ask({ name: 'toZero', service, firstLine: printsFirstLine ? 1 : 0 });
  await pause(QUIET_MS);
  const told = child.next();
  const sentMs = epochMs();
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': `wake-${(lastId += 1)}`,
    'ce-source': '/bench',
    'ce-type': 'bench.event',
  };
  const url = `http://127.0.0.1:${port}/channels/demo/${service}`;
  const { statusCode, body } = await request(url, { method: 'POST', headers, body: BODY });
  const acceptedMs = epochMs() - sentMs;
  await body.dump();
  if (statusCode !== 202) throw new Error(`the event was answered ${statusCode}`);
  const {
    firstLineMs = 0,
    answeredMs = 0,
    arrivedMs = 0,
    queuedMs = 0,
    startedMs = 0,
    readyMs = 0,
  } = await told;
  const phases = {
    arrivedMs: arrivedMs - sentMs,
    queuedMs,
    startedMs: startedMs - queuedMs,
    readyMs: readyMs - startedMs,
    answeredMs: answeredMs - arrivedMs - readyMs,
  };
  return { acceptedMs, firstLineMs: firstLineMs - sentMs, answeredMs: answeredMs - sentMs, phases };
}

const epochMs = (): number => performance.timeOrigin + performance.now();

function commandOf(language: keyof Folders): [string, ...string[]] {
  if (language === 'go') return ['./server'];
  return language === 'python' ? ['python3', 'server.py'] : [process.execPath, 'server.mjs'];
}

/** From spawn to its first answer, tried every millisecond; what the platform has to add as little as possible to. */
async function bareSpawn(
  directory: string,
  [file, ...args]: readonly [string, ...string[]],
): Promise<number> {
  const port = await freePort();
  const startMs = performance.now();
  const child = spawn(file, args, {
    cwd: directory,
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
  });
  for (;;) {
    const url = `http://127.0.0.1:${port}/`;
    const answer = await request(url, { method: 'POST', body: BODY, reset: true }).catch(() => undefined);
    if (answer !== undefined) {
      const ms = performance.now() - startMs;
      await answer.body.dump();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      return ms;
    }
    await pause(1);
  }
}
