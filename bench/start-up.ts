import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './results.ts';
import { tableOf, type Figures } from './rounds.ts';

const LAUNCHER = join(import.meta.dirname, '../bin/millrace');
const ANY_PORT = ['gateway', 'events', 'dashboard', 'api'].flatMap((name) => [`--${name}`, '127.0.0.1:0']);
/** Long enough for the pool of runners to be warm, and for what starting left behind to be collected. */
const SETTLE_MS = 4000;

/** The whole platform on a new folder: until it says that it is ready, and what it holds once it is idle. */
export const startUp: Bench = async ({ rounds }) => {
  const rows: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-up-'));
    const again = await up(folder);
    rows.push({ ...prefix('new folder', again), ...prefix('known folder', await up(folder)) });
    rmSync(folder, { recursive: true, force: true });
  }
  return tableOf(rows);
};

async function up(folder: string): Promise<Figures> {
  const startMs = performance.now();
  const platform = spawn(LAUNCHER, ['up', '--data-dir', folder, ...ANY_PORT], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const readyMs = await new Promise<number>((resolve, reject) => {
    let text = '';
    platform.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^ready in/m.test(text)) resolve(performance.now() - startMs);
    });
    platform.once('exit', (code) => reject(new Error(`up exited with ${code}`)));
  });
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const pid = Number(/"pid": (\d+)/.exec(readFileSync(join(folder, 'run.json'), 'utf8'))?.[1]);
  const runners = childrenOf(pid).map(pssMb);
  const own = pssMb(pid);
  platform.kill('SIGTERM');
  await new Promise((resolve) => platform.once('exit', resolve));
  return {
    'launch to ready ms': readyMs,
    'idle PSS MB, platform': own,
    'idle PSS MB, with its runners': own + runners.reduce((sum, each) => sum + each, 0),
  };
}

function pssMb(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
      } catch {
        return false; // ended meanwhile
      }
    });
}

function prefix(name: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([what, value]) => [`${name}: ${what}`, value]));
}
