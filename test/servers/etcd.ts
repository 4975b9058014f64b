import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, isRunning } from './processes.ts';
import type { RunningServer, ServerKind } from './server.ts';

const PROGRAM = '/usr/bin/etcd';
const INSTALL_MAX_MS = 240_000;
const START_MAX_MS = 30_000;
const run = promisify(execFile);

/** etcd of the distribution, one member. It is where a kube-apiserver keeps its objects. */
export const etcdServer: ServerKind = {
  name: 'etcd',
  variable: 'TEST_ETCD_URL',
  async prepare() {
    if (existsSync(PROGRAM)) return undefined;
    if (process.getuid?.() !== 0) return 'etcd-server is not installed, and only root may install it';
    await install();
    return undefined;
  },
  start: startEtcd,
};

/** Without syncs to disk: nothing of it has to outlive its machine. */
async function startEtcd(folder: string): Promise<RunningServer> {
  mkdirSync(folder, { recursive: true });
  const [client, peer] = [await freePort(), await freePort()];
  const address = `http://127.0.0.1:${client}`;
  const log = openSync(join(folder, 'etcd.log'), 'a');
  const options = {
    name: 'one',
    'data-dir': join(folder, 'data'),
    'listen-client-urls': address,
    'advertise-client-urls': address,
    'listen-peer-urls': `http://127.0.0.1:${peer}`,
    'initial-advertise-peer-urls': `http://127.0.0.1:${peer}`,
    'initial-cluster': `one=http://127.0.0.1:${peer}`,
    'log-level': 'error',
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(PROGRAM, ['--unsafe-no-fsync', ...args], {
    stdio: ['ignore', log, log],
    detached: true,
  });
  child.unref(); // the run's teardown ends it, by its id
  const { pid } = child;
  if (pid === undefined) throw new Error('etcd could not be started');
  const untilMs = Date.now() + START_MAX_MS;
  while (!(await isHealthy(address))) {
    const isOver = !isRunning(pid) || Date.now() > untilMs;
    if (isOver) throw new Error(`no etcd: ${readFileSync(join(folder, 'etcd.log'), 'utf8')}`);
    await pause(50);
  }
  return { address, pids: [pid] };
}

const isHealthy = (address: string): Promise<boolean> =>
  fetch(`${address}/health`).then(
    ({ ok }) => ok,
    () => false,
  );

/** The package would start its own member, which nothing here needs: `policy-rc.d` forbids that while it is installed. */
async function install(): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...words: string[]) => run('apt-get', words, { timeout: INSTALL_MAX_MS, env });
  try {
    await apt('update').catch(() => undefined); // an old list may still do
    await apt('install', '-y', '--no-install-recommends', 'etcd-server');
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}
