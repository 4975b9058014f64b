import { execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endAll, isRunning } from './processes.ts';
import type { RunningServer, ServerKind } from './server.ts';

const BIN = '/usr/lib/rabbitmq/bin';
const INSTALL_MAX_MS = 240_000;
const START_MAX_MS = 60_000;
const CONTROL_MAX_MS = 30_000;
const run = promisify(execFile);

/** RabbitMQ of the distribution, one node with all that it writes in one folder. */
export const rabbitmqServer: ServerKind = {
  name: 'rabbitmq',
  variable: 'TEST_RABBITMQ_URL',
  async prepare() {
    if (existsSync(join(BIN, 'rabbitmq-server'))) return undefined;
    if (process.getuid?.() !== 0) return 'rabbitmq-server is not installed, and only root may install it';
    await install();
    return undefined;
  },
  async start(folder): Promise<RunningServer> {
    const node = await RabbitmqNode.make(folder);
    await node.start();
    return { address: node.address, pids: node.pids };
  },
};

/** The package would start its own node, which nothing here needs: `policy-rc.d` forbids that while it is installed. */
async function install(): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const apt = (...words: string[]) =>
    run('apt-get', words, {
      timeout: INSTALL_MAX_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    await apt('update').catch(() => undefined); // an old list may still do
    await apt('install', '-y', '--no-install-recommends', 'rabbitmq-server');
  } finally {
    if (isOurs) await run('rm', ['-f', policy]);
  }
}

/** A node that tests may stop, kill and start again on the same folder and ports. */
export class RabbitmqNode {
  readonly #folder: string;
  readonly #ports: { readonly amqp: number; readonly dist: number; readonly epmd: number };
  readonly port: number;
  #server: number | undefined;
  #epmd: number | undefined;

  private constructor(folder: string, ports: { amqp: number; dist: number; epmd: number }) {
    this.#folder = folder;
    this.#ports = ports;
    this.port = ports.amqp;
  }

  /** `settings` are further lines of rabbitmq.conf. */
  static async make(folder: string, settings: readonly string[] = []): Promise<RabbitmqNode> {
    const [amqp, dist, epmd] = [await quietPort(), await quietPort(), await quietPort()];
    mkdirSync(folder, { recursive: true });
    const lines = [
      `listeners.tcp.1 = 127.0.0.1:${amqp}`,
      'log.file.level = warning',
      'disk_free_limit.absolute = 50MB',
    ];
    writeFileSync(join(folder, 'rabbitmq.conf'), `${[...lines, ...settings].join('\n')}\n`);
    writeFileSync(join(folder, 'enabled_plugins'), '[].\n');
    return new RabbitmqNode(folder, { amqp, dist, epmd });
  }

  get address(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`;
  }

  get pids(): readonly number[] {
    return [this.#server, this.#epmd].filter((pid) => pid !== undefined);
  }

  /** Resolves once clients are served. */
  async start(): Promise<void> {
    this.#epmd ??= this.#spawn('epmd', ['-port', String(this.#ports.epmd), '-address', '127.0.0.1']);
    // Told that systemd waits for it, the script becomes the node instead of the node's parent: one id to end.
    this.#server = this.#spawn(join(BIN, 'rabbitmq-server'), [], {
      NOTIFY_SOCKET: join(this.#folder, 'nobody'),
    });
    const untilMs = Date.now() + START_MAX_MS;
    while (!(await this.#serves())) {
      if (!isRunning(this.#server)) throw new Error(`rabbitmq-server has ended: ${this.#said()}`);
      if (Date.now() > untilMs) throw new Error(`rabbitmq-server does not answer: ${this.#said()}`);
      await pause(50);
    }
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    if (this.#server !== undefined) await endAll([this.#server]);
    this.#server = undefined;
  }

  /** As a power cut does, but for what the kernel still writes. */
  async kill(): Promise<void> {
    if (this.#server === undefined) return;
    process.kill(this.#server, 'SIGKILL');
    while (isRunning(this.#server)) await pause(5);
    this.#server = undefined;
  }

  /** Stops the process without ending it, or lets it go on: a broker that hangs. */
  freeze(isFrozen: boolean): void {
    if (this.#server !== undefined) process.kill(this.#server, isFrozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Ends the node and what it leaves running. */
  async end(): Promise<void> {
    await endAll(this.pids);
    this.#server = this.#epmd = undefined;
  }

  /** The server's own command line; resolves with what it printed. */
  async control(...words: readonly string[]): Promise<string> {
    const options = { env: this.#environment(), timeout: CONTROL_MAX_MS };
    return (await run(join(BIN, 'rabbitmqctl'), ['-q', ...words], options)).stdout;
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      HOME: this.#folder,
      RABBITMQ_NODENAME: `millrace${this.port}@localhost`,
      RABBITMQ_NODE_PORT: String(this.port),
      RABBITMQ_DIST_PORT: String(this.#ports.dist),
      ERL_EPMD_PORT: String(this.#ports.epmd),
      RABBITMQ_CONFIG_FILE: join(this.#folder, 'rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.#folder, 'enabled_plugins'),
      RABBITMQ_MNESIA_BASE: join(this.#folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(this.#folder, 'log'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
    };
  }

  #spawn(program: string, words: readonly string[], more: NodeJS.ProcessEnv = {}): number {
    const log = openSync(join(this.#folder, 'output'), 'a');
    const options = { env: { ...this.#environment(), ...more }, detached: true };
    const child = spawn(program, words, { ...options, stdio: ['ignore', log, log] });
    closeSync(log);
    child.unref();
    if (child.pid === undefined) throw new Error(`${program} could not be started`);
    return child.pid;
  }

  /** Whether it greets a client: it listens a little earlier than it serves. */
  #serves(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('AMQP\0\0\x09\x01'));
      const end = (serves: boolean): void => {
        socket.destroy();
        resolve(serves);
      };
      socket.once('data', () => end(true));
      socket.once('error', () => end(false));
      socket.once('close', () => end(false));
      socket.setTimeout(1000, () => end(false));
    });
  }

  #said(): string {
    return readFileSync(join(this.#folder, 'output'), 'utf8').slice(-2000);
  }
}

/**
 * A port below those that systems give to whoever asks for any (Linux from 32 768 on): a node that is down for a while
 * finds its own still free.
 */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
