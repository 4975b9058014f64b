import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, isRunning } from './processes.ts';
import type { RunningServer, ServerKind } from './server.ts';

const START_MAX_MS = 60_000;
const JAR = /^cloud-pubsub-emulator-.*-all\.jar$/;

/** Google's Pub/Sub emulator: a component of the Google Cloud CLI. It keeps everything in memory. */
export const pubsubServer: ServerKind = {
  name: 'pubsub',
  variable: 'TEST_PUBSUB_EMULATOR_HOST',
  async prepare() {
    if (findJar() !== undefined && hasJava()) return undefined;
    if (process.getuid?.() === 0) install();
    if (!hasJava()) return 'there is no java to run the Pub/Sub emulator';
    return findJar() === undefined ? 'the Google Cloud CLI has no pubsub-emulator here' : undefined;
  },
  async start(folder) {
    return startOn(folder, await freePort());
  },
};

/** One that listens on that port, so that it can be ended and come back where it was (with nothing in it). */
export async function startOn(folder: string, port: number): Promise<RunningServer> {
  const jar = findJar();
  if (jar === undefined) throw new Error('there is no jar of the Pub/Sub emulator');
  mkdirSync(folder, { recursive: true });
  const log = openSync(join(folder, 'emulator.log'), 'a');
  const options = ['-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=4'];
  const child = spawn('java', [...options, '-jar', jar, '--host=127.0.0.1', `--port=${port}`], {
    stdio: ['ignore', log, log],
    detached: true, // the run's teardown ends it, by its id
  });
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error('java could not be started');
  const untilMs = Date.now() + START_MAX_MS;
  while (!(await isListening(port))) {
    const isOver = !isRunning(pid) || Date.now() > untilMs;
    if (isOver) throw new Error(`no emulator: ${readFileSync(join(folder, 'emulator.log'), 'utf8')}`);
    await pause(50);
  }
  return { address: `127.0.0.1:${port}`, pids: [pid] };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

const hasJava = (): boolean => spawnSync('java', ['-version']).status === 0;

function findJar(): string | undefined {
  for (const root of sdkRoots()) {
    const folder = join(root, 'platform', 'pubsub-emulator', 'lib');
    const name = existsSync(folder) ? readdirSync(folder).find((each) => JAR.test(each)) : undefined;
    if (name !== undefined) return join(folder, name);
  }
  return undefined;
}

/** Where the `gcloud` on the PATH says that its SDK is: by where the program really lies, else by asking it, which takes a second. */
function sdkRoots(): string[] {
  const program = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'gcloud'))
    .find((file) => existsSync(file));
  if (program === undefined) return [];
  const near = dirname(dirname(realpathSync(program)));
  if (existsSync(join(near, 'platform', 'pubsub-emulator'))) return [near];
  const asked = spawnSync(program, ['info', '--format=value(installation.sdk_root)'], { encoding: 'utf8' });
  return [near, asked.stdout.trim()].filter((root) => root !== '');
}

/** Where packages are Debian's or Google's own; what cannot be had is told by what is missing afterwards. */
function install(): void {
  const wanted = ['google-cloud-cli-pubsub-emulator', 'default-jre-headless'];
  spawnSync('apt-get', ['install', '--yes', '--no-install-recommends', ...wanted], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: 240_000,
  });
}
