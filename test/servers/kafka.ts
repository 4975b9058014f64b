import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../src/base/errors.ts';
import { plainKafka } from '../kit/plain-kafka.ts';
import { freePort } from './processes.ts';
import type { RunningServer, ServerKind } from './server.ts';

const run = promisify(execFile);
const VERSION = '4.1.2';
const CACHE = join(homedir(), '.cache', 'millrace-tests');
const JARS = join(CACHE, `kafka-${VERSION}-with-tools`);
const READY_MAX_MS = 60_000;
const INSTALL_MAX_MS = 240_000;
/** What others wait for: older than this, its maker has died. */
const LOCK_AGE_MAX_MS = INSTALL_MAX_MS;

/** Apache Kafka, one process as broker and controller (KRaft), and its command-line tools, as Maven has them. */
export const kafkaServer: ServerKind = {
  name: 'kafka',
  variable: 'TEST_KAFKA_URL',
  prepare: installOnce,
  start: async (folder) => {
    const server = await KafkaProcess.make(folder);
    await server.start();
    return { address: server.address, pids: server.pids } satisfies RunningServer;
  },
};

export type KafkaOptions = {
  /** Further lines of server.properties; later ones win. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Listeners beside the plain one, by name: what they speak and what they are told. */
  readonly listeners?: Readonly<Record<string, 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SASL_SSL' | 'SSL'>>;
  /** What clients are told a listener's port is, when something stands in between. */
  readonly advertise?: (listener: string, port: number) => Promise<number>;
  /** `SCRAM-SHA-512=[name=…,password=…]`, as the storage tool takes it. */
  readonly scram?: readonly string[];
};

/** One server of a test's own, which it may stop, kill and start again on the same folder and ports. */
export class KafkaProcess {
  readonly #folder: string;
  readonly #ports: ReadonlyMap<string, number>;
  #pid: number | undefined;

  private constructor(folder: string, ports: ReadonlyMap<string, number>) {
    this.#folder = folder;
    this.#ports = ports;
  }

  static async make(folder: string, options: KafkaOptions = {}): Promise<KafkaProcess> {
    mkdirSync(folder, { recursive: true });
    const ports = new Map<string, number>();
    for (const name of ['PLAIN', 'CONTROLLER', ...Object.keys(options.listeners ?? {})])
      ports.set(name, await freePort());
    const file = join(folder, 'server.properties');
    const told = new Map<string, number>();
    for (const [name, port] of ports)
      told.set(name, name === 'CONTROLLER' ? port : ((await options.advertise?.(name, port)) ?? port));
    writeFileSync(file, propertiesOf(folder, { ports, told }, options));
    const scram = (options.scram ?? []).flatMap((user) => ['--add-scram', user]);
    const id = randomBytes(16).toString('base64url');
    await kafkaTool('kafka.tools.StorageTool', [
      'format',
      `--cluster-id=${id}`,
      '-c',
      file,
      '--standalone',
      ...scram,
    ]);
    return new KafkaProcess(folder, ports);
  }

  get address(): string {
    return this.addressOf('PLAIN');
  }

  addressOf(listener: string): string {
    return `127.0.0.1:${this.#ports.get(listener) ?? 0}`;
  }

  get pids(): readonly number[] {
    return this.#pid === undefined ? [] : [this.#pid];
  }

  /** Resolves once it can be used; `isReady: false` resolves at once, while it still loads. */
  async start({ isReady = true } = {}): Promise<void> {
    const log = openSync(join(this.#folder, 'server.log'), 'a');
    const heap = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const file = join(this.#folder, 'server.properties');
    const args = [...heap, '-cp', join(JARS, '*'), 'kafka.Kafka', file];
    const child = spawn('java', args, { stdio: ['ignore', log, log], detached: true });
    child.unref();
    this.#pid = child.pid;
    if (isReady) await readyAt(this.address, join(this.#folder, 'server.log'));
  }

  /** Ends it, in order or not, and waits until it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    const pid = this.#pid;
    if (pid === undefined) return;
    this.#pid = undefined;
    for (let name: NodeJS.Signals | 0 = signal; isThere(pid, name); name = 0) await pause(20);
  }

  pauseProcess(isPaused: boolean): void {
    if (this.#pid !== undefined) process.kill(this.#pid, isPaused ? 'SIGSTOP' : 'SIGCONT');
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One of the command-line tools that come with the server, by its Java class; resolves with what it printed. */
export async function kafkaTool(className: string, args: readonly string[], input?: string): Promise<string> {
  const java = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-cp', join(JARS, '*'), className, ...args];
  const running = run('java', java, { timeout: READY_MAX_MS, maxBuffer: 16 * 1024 * 1024 });
  running.child.stdin?.end(input ?? '');
  return (await running).stdout;
}

type Ports = ReadonlyMap<string, number>;

function propertiesOf(
  folder: string,
  { ports, told }: { readonly ports: Ports; readonly told: Ports },
  options: KafkaOptions,
): string {
  const at = (each: Ports): string[] => [...each].map(([name, port]) => `${name}://127.0.0.1:${port}`);
  const speaks = { PLAIN: 'PLAINTEXT', CONTROLLER: 'PLAINTEXT', ...options.listeners };
  const all: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${ports.get('CONTROLLER') ?? 0}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    listeners: at(ports).join(','),
    'advertised.listeners': at(told)
      .filter((each) => !each.startsWith('CONTROLLER'))
      .join(','),
    'listener.security.protocol.map': Object.entries(speaks)
      .map(([name, protocol]) => `${name}:${protocol}`)
      .join(','),
    'log.dirs': join(folder, 'logs'),
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '2',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // Without these a first group waits three seconds, and a killed broker stays away for nine.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'broker.heartbeat.interval.ms': '200',
    'broker.session.timeout.ms': '1500',
    'controller.quorum.election.timeout.ms': '500',
    'controller.quorum.fetch.timeout.ms': '1000',
    'log.index.size.max.bytes': '65536',
    ...options.properties,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** A server that listens may still be loading its coordinators; a group that it answers for says that it is done. */
async function readyAt(address: string, log: string): Promise<void> {
  const untilMs = Date.now() + READY_MAX_MS;
  const admin = plainKafka(address, { retries: 0 }).admin();
  for (;;) {
    try {
      await admin.connect();
      await admin.describeGroups(['ready']);
      return await admin.disconnect();
    } catch (error) {
      if (Date.now() > untilMs) throw new Error(`see ${log}: ${messageOf(error)}`, { cause: error });
      await pause(100);
    }
  }
}

/** Maven brings the jars once for all runs; whoever comes meanwhile waits for the one that began. */
async function installOnce(): Promise<string | undefined> {
  const done = join(JARS, '.complete');
  const lock = `${JARS}.lock`;
  mkdirSync(CACHE, { recursive: true });
  const untilMs = Date.now() + INSTALL_MAX_MS;
  while (!existsSync(done)) {
    if (Date.now() > untilMs) return 'Kafka could not be installed in time';
    if (!takesLock(lock)) {
      await pause(200);
      continue;
    }
    try {
      if (!existsSync(done)) await install(done);
    } catch (error) {
      return `Kafka needs java and mvn, and what they bring: ${messageOf(error)}`;
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return undefined;
}

async function install(done: string): Promise<void> {
  const project = join(CACHE, `kafka-${VERSION}-project`);
  mkdirSync(project, { recursive: true });
  writeFileSync(
    join(project, 'pom.xml'),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>${VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
</dependencies></project>`,
  );
  const args = [
    '-q',
    '-B',
    'dependency:copy-dependencies',
    `-DoutputDirectory=${JARS}`,
    '-DincludeScope=runtime',
  ];
  await run('java', ['-version']);
  await run('mvn', args, { cwd: project, timeout: INSTALL_MAX_MS });
  writeFileSync(done, '');
}

function takesLock(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const { mtimeMs } = statSync(lock, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > LOCK_AGE_MAX_MS) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function isThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // it has ended
  }
}
