import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../src/base/errors.ts';
import { etcdServer } from './etcd.ts';
import { freePort, isRunning } from './processes.ts';
import type { ServerKind } from './server.ts';

const BUILD = fileURLToPath(new URL('./kube-apiserver/build.sh', import.meta.url));
const BUILD_MAX_MS = 1_200_000;
const START_MAX_MS = 60_000;
const run = promisify(execFile);

/** A real kube-apiserver with RBAC, on an etcd of its own. Its address is the file of its administrator's kubeconfig. */
export const kubeApiServer: ServerKind = {
  name: 'kube-apiserver',
  variable: 'TEST_KUBECONFIG',
  async prepare() {
    const reason = await etcdServer.prepare();
    if (reason !== undefined) return reason;
    return run(BUILD, { timeout: BUILD_MAX_MS }).then(
      () => undefined,
      (error: unknown) => `kube-apiserver could not be built: ${messageOf(error)}`,
    );
  },
  async start(folder) {
    const server = await KubeApiServer.make(folder);
    await server.start();
    return { address: server.kubeconfig, pids: server.pids };
  },
};

/** One that a test may end and start again, on the same etcd, port and keys. */
export class KubeApiServer {
  readonly #folder: string;
  readonly #etcd: { readonly address: string; readonly pids: readonly number[] };
  readonly #token: string;
  readonly port: number;
  #pid: number | undefined;

  private constructor(
    folder: string,
    etcd: { address: string; pids: readonly number[] },
    port: number,
    token: string,
  ) {
    this.#folder = folder;
    this.#etcd = etcd;
    this.port = port;
    this.#token = token;
  }

  static async make(folder: string): Promise<KubeApiServer> {
    mkdirSync(folder, { recursive: true });
    const [etcd, port] = [await etcdServer.start(join(folder, 'etcd')), await freePort()];
    const token = randomBytes(16).toString('hex');
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    writeFileSync(join(folder, 'accounts.key'), privateKey, { mode: 0o600 });
    writeFileSync(join(folder, 'accounts.pub'), publicKey);
    const users = [`${token},admin,admin,system:masters`, 'token-of-nobody,nobody,nobody'];
    writeFileSync(join(folder, 'tokens.csv'), `${users.join('\n')}\n`, { mode: 0o600 });
    const server = new KubeApiServer(folder, etcd, port, token);
    writeFileSync(server.kubeconfig, kubeconfigFor(`https://127.0.0.1:${port}`, token), { mode: 0o600 });
    return server;
  }

  /** The file of its administrator's kubeconfig. */
  get kubeconfig(): string {
    return join(this.#folder, 'kubeconfig');
  }

  get pids(): readonly number[] {
    return [...this.#etcd.pids, ...(this.#pid === undefined ? [] : [this.#pid])];
  }

  async start(): Promise<void> {
    const { stdout } = await run(BUILD, { timeout: BUILD_MAX_MS }); // it is built: this only tells where
    const logFile = join(this.#folder, 'kube-apiserver.log');
    const log = openSync(logFile, 'a');
    const child = spawn(stdout.trim(), this.#options(), { stdio: ['ignore', log, log], detached: true });
    child.unref(); // the run's teardown ends it, by its id
    this.#pid = child.pid;
    const untilMs = Date.now() + START_MAX_MS;
    while (!(await this.#isReady())) {
      const isOver = child.pid === undefined || !isRunning(child.pid) || Date.now() > untilMs;
      if (isOver) throw new Error(`no kube-apiserver: ${readFileSync(logFile, 'utf8').slice(-4000)}`);
      await pause(100);
    }
  }

  /** Ends it at once, and waits until it is gone; its etcd stays. */
  async end(): Promise<void> {
    const pid = this.#pid;
    this.#pid = undefined;
    if (pid === undefined) return;
    process.kill(pid, 'SIGKILL');
    while (isRunning(pid)) await pause(20);
  }

  #options(): string[] {
    const file = (name: string): string => join(this.#folder, name);
    return [
      `--etcd-servers=${this.#etcd.address}`,
      `--secure-port=${this.port}`,
      '--bind-address=127.0.0.1',
      `--cert-dir=${file('certificates')}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('accounts.pub')}`,
      `--service-account-signing-key-file=${file('accounts.key')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--endpoint-reconciler-type=none', // nobody looks for it but by its port
    ];
  }

  #isReady(): Promise<boolean> {
    return new Promise((resolve) => {
      const headers = { authorization: `Bearer ${this.#token}` };
      const url = `https://127.0.0.1:${this.port}/readyz`;
      const asked = request(url, { headers, rejectUnauthorized: false, timeout: 1000 }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      asked.on('error', () => resolve(false)).on('timeout', () => asked.destroy());
      asked.end();
    });
  }
}

/** A kubeconfig of a server whose certificate nobody signed. */
export function kubeconfigFor(server: string, token: string): string {
  return `apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster: {server: "${server}", insecure-skip-tls-verify: true}
users:
- name: tester
  user: {token: "${token}"}
contexts:
- name: test
  context: {cluster: test, user: tester}
`;
}
