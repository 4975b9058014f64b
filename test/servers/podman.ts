import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Engine } from '../../src/serving/runtime/container/engine.ts';
import { freePort, isRunning } from './processes.ts';
import type { RunningServer, ServerKind } from './server.ts';

/** A shell, its tools, and a server that runs what it is asked to: `/cgi-bin/run?<line>`. */
export const TOOLS_IMAGE = 'localhost/tools:1';

/** Beside its socket: the port of loopback at which it believes a registry without TLS. */
export const REGISTRY_PORT = 'registry-port';
/** Beside its socket: what the tools image is made of. */
export const TOOLS_TAR = 'tools.tar';

const PROGRAMS = ['/usr/bin/podman', '/usr/sbin/runc', '/bin/busybox'];
const PACKAGES = ['podman', 'runc', 'busybox-static'];
const TOOLS = [
  'sh',
  'echo',
  'cat',
  'sleep',
  'touch',
  'rm',
  'test',
  'true',
  'false',
  'httpd',
  'ls',
  'env',
  'mkdir',
  'wget',
];
const RUN_LINE = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
eval "$(httpd -d "$QUERY_STRING")"
`;
/** Where root may not raise its limits, a container cannot have more than these. */
const CONFIG = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n';
const INSTALL_MAX_MS = 300_000;
const START_MAX_MS = 30_000;
const run = promisify(execFile);

/** podman of the distribution, its service on a socket, its images and containers in a folder; its address is the socket's path. */
export const podmanServer: ServerKind = {
  name: 'podman',
  variable: 'TEST_ENGINE_SOCKET',
  async prepare() {
    if (process.getuid?.() !== 0) return 'podman is run by root only here';
    if (!PROGRAMS.every((path) => existsSync(path))) await install();
    return undefined;
  },
  start: startPodman,
};

async function startPodman(folder: string): Promise<RunningServer> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'containers.conf'), CONFIG);
  const port = await freePort();
  writeFileSync(join(folder, REGISTRY_PORT), String(port));
  const registry = `[[registry]]\nlocation = "127.0.0.1:${port}"\ninsecure = true\n`;
  writeFileSync(join(folder, 'registries.conf'), registry);
  const flags = flagsFor(folder);
  await importTools(folder, flags);
  const why = await whyNot(folder, flags);
  if (why !== undefined) throw new Error(`no container can be run here: ${why}`);
  const { socket, pid } = await startService(folder);
  return { address: socket, pids: [pid] };
}

/** Of its own, whatever the machine has; `vfs` needs nothing of the kernel. */
export function flagsFor(folder: string, root = join(folder, 'root')): string[] {
  const storage = ['--root', root, '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  return [...storage, '--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'];
}

function envFor(folder: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    CONTAINERS_CONF: join(folder, 'containers.conf'),
    CONTAINERS_REGISTRIES_CONF: join(folder, 'registries.conf'),
  };
}

/** Its service may be started again on the same folder; `root`: where images are, `config`: the folder of its configuration. */
export async function startService(
  folder: string,
  name = 'engine.sock',
  { root, config = folder }: { readonly root?: string; readonly config?: string } = {},
): Promise<{ readonly socket: string; readonly pid: number }> {
  const socket = join(folder, name);
  const log = openSync(join(folder, 'podman.log'), 'a');
  const service = ['system', 'service', '--time', '0', `unix://${socket}`];
  const child = spawn('podman', [...flagsFor(folder, root), ...service], {
    env: envFor(config),
    cwd: folder, // conmon writes there
    stdio: ['ignore', log, log],
    detached: true,
  });
  child.unref(); // the run's teardown ends it, by its id
  const { pid } = child;
  if (pid === undefined) throw new Error('podman could not be started');
  const untilMs = Date.now() + START_MAX_MS;
  const engine = new Engine(socket);
  while ((await engine.away()) !== undefined) {
    if (!isRunning(pid) || Date.now() > untilMs)
      throw new Error(`no podman: ${readFileSync(join(folder, 'podman.log'), 'utf8')}`);
    await pause(50);
  }
  await engine.close();
  return { socket, pid };
}

/** An image of what the distribution has: a static busybox. */
async function importTools(folder: string, flags: readonly string[]): Promise<void> {
  const image = join(folder, 'tools');
  for (const each of ['bin', 'tmp', 'www/cgi-bin', 'etc']) mkdirSync(join(image, each), { recursive: true });
  chmodSync(join(image, 'tmp'), 0o1777);
  copyFileSync('/bin/busybox', join(image, 'bin/busybox'));
  for (const tool of TOOLS) symlinkSync('busybox', join(image, 'bin', tool));
  writeFileSync(join(image, 'www/index.html'), 'ok');
  writeFileSync(join(image, 'www/cgi-bin/run'), RUN_LINE, { mode: 0o755 });
  const tar = join(folder, TOOLS_TAR);
  await run('tar', ['-C', image, '-cf', tar, '.']);
  const path = 'ENV PATH=/bin:/usr/bin';
  await run('podman', [...flags, 'import', '--change', path, tar, TOOLS_IMAGE], { timeout: START_MAX_MS });
}

async function whyNot(folder: string, flags: readonly string[]): Promise<string | undefined> {
  const trial = ['run', '--rm', '--publish', '127.0.0.1::8080', TOOLS_IMAGE, 'true'];
  return run('podman', [...flags, ...trial], { timeout: START_MAX_MS, env: envFor(folder) }).then(
    () => undefined,
    ({ stderr }: { stderr?: string }) => stderr?.trim().split('\n').at(-1) ?? 'podman did not say why',
  );
}

/** Nothing of the packages is to be started: `policy-rc.d` forbids it while they are installed. */
async function install(): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  if (!existsSync(policy)) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...words: string[]) => run('apt-get', words, { timeout: INSTALL_MAX_MS, env });
  await apt('update').catch(() => undefined); // an old list may still do
  await apt('install', '-y', '--no-install-recommends', ...PACKAGES);
}
