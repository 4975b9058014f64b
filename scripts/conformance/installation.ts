import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createWriteStream, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Suite } from './suites.ts';

const MILLRACE = fileURLToPath(new URL('../../bin/millrace', import.meta.url));
const NAMESPACE = 'knative-serving';
/** Not `dev.local`: of that, upstream checks no digests. */
export const REPOSITORY = 'registry.example.com/conformance';

/** Whom images that ko has built run as: that of their base image. */
const KO_USER = '65532';

/** A platform on free ports with what upstream's tests expect to find: their namespaces, objects and images. */
export class Installation {
  readonly kubeconfig: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #platform: ChildProcess;

  private constructor(platform: ChildProcess, kubeconfig: string) {
    this.#platform = platform;
    this.kubeconfig = kubeconfig;
    this.env = { ...process.env, KUBECONFIG: kubeconfig };
  }

  /** `built` is the folder that build.sh made; the platform's own log is `platform.log` in `folder`. */
  static async start(folder: string, built: string): Promise<Installation> {
    const dataDir = join(folder, 'data');
    const log = join(folder, 'platform.log');
    const free = ['gateway', 'events', 'dashboard', 'api'].flatMap((door) => [`--${door}`, '127.0.0.1:0']);
    const args = ['up', '--data-dir', dataDir, '--domain', 'example.com', ...free];
    const platform = spawn(MILLRACE, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    platform.stderr.pipe(createWriteStream(log));
    const lines = createInterface({ input: platform.stdout });
    const ready = Promise.withResolvers<boolean>();
    lines.on('line', (line) => line.startsWith('ready in') && ready.resolve(true));
    lines.on('close', () => ready.resolve(false));
    if (!(await ready.promise)) throw new Error(`the platform did not start; ${log} has why`);
    const installation = new Installation(platform, join(dataDir, 'kubeconfig'));
    try {
      installation.#prepare(dataDir, built);
      return installation;
    } catch (error) {
      await installation.stop();
      throw error;
    }
  }

  /** Sets what a suite wants in ConfigMaps; what is returned sets it back. */
  set(settings: Suite['settings']): () => void {
    const before = Object.entries(settings).map(([map, data]) => {
      const was = this.#dataOf(map);
      return [map, Object.fromEntries(Object.keys(data).map((key) => [key, was[key] ?? null]))] as const;
    });
    for (const [map, data] of Object.entries(settings)) this.#merge(map, data);
    return () => {
      for (const [map, data] of before) this.#merge(map, data);
    };
  }

  async stop(): Promise<void> {
    const ended = once(this.#platform, 'close');
    this.#platform.kill('SIGTERM');
    await ended;
  }

  #prepare(dataDir: string, built: string): void {
    const folder = join(built, 'source/test/config');
    const files = ['cluster-resources.yaml', 'test-resources.yaml'].map((name) => `-f=${join(folder, name)}`);
    this.#kubectl('apply', ...files);
    for (const image of readdirSync(join(built, 'images'))) {
      const name = `${REPOSITORY}/${image}:latest`;
      const folder = asKoPacks(join(built, 'images', image), join(dataDir, '..', 'packed'));
      const user = image === 'runtime' ? ['--user', KO_USER] : []; // the one that looks
      execFileSync(MILLRACE, ['push', name, folder, ...user, '--data-dir', dataDir], { stdio: 'pipe' });
      rmSync(folder, { recursive: true });
    }
  }

  #dataOf(map: string): Readonly<Record<string, string>> {
    const text = this.#kubectl('get', 'configmap', map, '-n', NAMESPACE, '-o', 'json');
    return (JSON.parse(text) as { data?: Record<string, string> }).data ?? {};
  }

  #merge(map: string, data: Readonly<Record<string, string | null>>): void {
    const patch = JSON.stringify({ data });
    this.#kubectl('patch', 'configmap', map, '-n', NAMESPACE, '--type=merge', '-p', patch);
  }

  #kubectl(...args: readonly string[]): string {
    return execFileSync('kubectl', args, { env: this.env, encoding: 'utf8' });
  }
}

/** A folder with the program where ko puts it, and upstream's probes and commands look for it. */
function asKoPacks(program: string, folder: string): string {
  mkdirSync(join(folder, 'ko-app'), { recursive: true });
  copyFileSync(program, join(folder, 'ko-app', basename(program)));
  return folder;
}
