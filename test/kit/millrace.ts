import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { RunFile } from '../../src/cli/client.ts';
import type { Ended } from './api-server.ts';

export const BIN = fileURLToPath(new URL('../../bin/millrace', import.meta.url));
/** Every listener on any free port. */
export const FREE_PORTS = ['gateway', 'events', 'dashboard', 'api'].flatMap((name) => [
  `--${name}`,
  '127.0.0.1:0',
]);

/** No MILLRACE_… of the tester's own, and no platform of theirs either. */
function cleanEnv(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('MILLRACE_') && name !== 'KUBECONFIG',
  );
  return { ...Object.fromEntries(own), ...more };
}

/** Runs the real command line to its end. */
export function millrace(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(BIN, args, { env: cleanEnv(env), timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** A command that goes on, and what it has printed by now. */
export class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #ended: Promise<unknown>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, bin = BIN) {
    this.child = spawn(bin, args, { env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#ended = once(this.child, 'close');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | string | null> {
    await this.#ended;
    return this.child.exitCode ?? this.child.signalCode;
  }

  /** Resolves once its standard output matches; rejects with its errors when it ends before. */
  printed(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(this.stdout)) resolve();
      };
      this.child.stdout?.on('data', look);
      this.child.once('close', () => reject(new Error(`it ended: ${this.stderr}`)));
      look();
    });
  }

  stop(signal: NodeJS.Signals): Promise<number | string | null> {
    this.child.kill(signal);
    return this.ended();
  }
}

/** Starts platforms by `up` on free ports; what still runs when the test file is done is killed. `bin`: of another checkout. */
export function platformStarter(bin = BIN): (dataDir: string, more?: readonly string[]) => Promise<Running> {
  const started: Running[] = [];
  afterAll(async () => {
    for (const platform of started) await platform.stop('SIGKILL');
  });
  return async (dataDir, more = []) => {
    const platform = new Running(['up', '--data-dir', dataDir, ...FREE_PORTS, ...more], {}, bin);
    started.push(platform);
    await platform.printed(/^ready in \d+ ms\n/m);
    return platform;
  };
}

export function runFileOf(dataDir: string): RunFile {
  return JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as RunFile; // written by the platform
}
