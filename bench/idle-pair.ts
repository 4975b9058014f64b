import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiClient } from '../src/cli/client.ts';
import { BenchChild } from './child.ts';
import type { Figures } from './rounds.ts';

export const WINDOW_MS = 40_000;

/** A whole platform in a process of its own. */
export type IdlePlatform = {
  readonly child: BenchChild;
  readonly dataDir: string;
  readonly api: ApiClient;
  readonly gatewayPort: number;
};

/**
 * Two whole platforms at once, of which one is filled with what rests and the other is not: what the first costs more is
 * read of both in one window, since machines drift.
 */
export class IdlePair {
  readonly #root: string;
  readonly full: IdlePlatform;
  readonly none: IdlePlatform;

  private constructor(root: string, full: IdlePlatform, none: IdlePlatform) {
    this.#root = root;
    this.full = full;
    this.none = none;
  }

  static async open(): Promise<IdlePair> {
    const root = mkdtempSync(join(tmpdir(), 'millrace-idle-'));
    const [full, none] = await Promise.all([open(join(root, 'full')), open(join(root, 'none'))]);
    return new IdlePair(root, full, none);
  }

  /** CPU time of both over one window, and their memory at its end; profiled into `file` where one is named. */
  async overWindow(count: number, file?: string): Promise<Figures> {
    const { none, full } = this;
    if (file !== undefined) await full.child.ask({ name: 'profile' });
    const before = [none.child.cpuMicros(), full.child.cpuMicros()] as const;
    await pause(WINDOW_MS);
    const used = [none.child.cpuMicros() - before[0], full.child.cpuMicros() - before[1]] as const;
    if (file !== undefined) await full.child.ask({ name: 'keep-profile', file });
    const [lean, filled] = [none.child.memoryMb(), full.child.memoryMb()];
    const ofACore = (micros: number): number => micros / 10 / WINDOW_MS;
    return {
      'PSS MB more': filled.pss - lean.pss,
      '% of a core more': ofACore(used[1] - used[0]),
      'PSS MB, none': lean.pss,
      [`PSS MB, ${count}`]: filled.pss,
      'RSS MB, none': lean.rss,
      [`RSS MB, ${count}`]: filled.rss,
      '% of a core, none': ofACore(used[0]),
      [`% of a core, ${count}`]: ofACore(used[1]),
    };
  }

  /** How much more the filled one holds, once what is garbage has been collected. */
  async heapBytes(): Promise<number> {
    const both = [this.none.child, this.full.child];
    await Promise.all(both.map((child) => child.ask({ name: 'collect' })));
    const [lean, filled] = await Promise.all(both.map((child) => child.ask({ name: 'memory' })));
    return (filled?.['heapUsed'] ?? 0) - (lean?.['heapUsed'] ?? 0);
  }

  /** A platform that starts looks at every object once: the CPU time, in ms, until it rests again. Ends both. */
  async passOverAll(): Promise<number> {
    await this.#close();
    const again = new BenchChild('./whole-child.ts', [this.full.dataDir]);
    await again.next();
    let before = 0;
    for (let now = again.cpuMicros(); now - before > 100_000; now = again.cpuMicros()) {
      before = now;
      await pause(2000);
    }
    const micros = again.cpuMicros();
    await again.ask({ name: 'close' });
    await again.close();
    return micros / 1000;
  }

  /** Ends both, and removes what they have written. */
  async close(): Promise<void> {
    await this.#close();
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }

  #closing: Promise<void> | undefined;
  #close(): Promise<void> {
    return (this.#closing ??= (async () => {
      const both = [this.none.child, this.full.child];
      await Promise.all(both.map((child) => child.ask({ name: 'close' })));
      await Promise.all(both.map((child) => child.close()));
    })());
  }
}

async function open(dataDir: string): Promise<IdlePlatform> {
  const child = new BenchChild('./whole-child.ts', [dataDir]);
  const gatewayPort = await child.port();
  const context = {
    args: [],
    env: { KUBECONFIG: join(dataDir, 'kubeconfig') },
    stdout: process.stdout,
    stderr: process.stderr,
  };
  return { child, dataDir, gatewayPort, api: await ApiClient.open(context, undefined) };
}
