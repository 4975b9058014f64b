import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Revision } from '../src/apis/serving/types.ts';
import { ApiClient } from '../src/cli/client.ts';
import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { tableOf, type Figures } from './rounds.ts';

const COUNT = 10_000;
const AT_A_TIME = 32;
const WINDOW_MS = 40_000;
const READY_MAX_MS = 600_000;
/** What starting leaves to be done and to be collected. */
const SETTLE_MS = 30_000;
const MILLRACE = fileURLToPath(new URL('../bin/millrace', import.meta.url));
const REVISIONS = '/apis/serving.knative.dev/v1/namespaces/default/revisions';

/**
 * What ten thousand revisions at zero cost the autoscaler and everything else: two whole platforms at once, one without
 * any, in one window of forty seconds; and what a start on them takes.
 */
export const idleRevisions: Bench = async ({ folders, profileFolder }) => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-revisions-'));
  const [fullDir, noneDir] = [join(root, 'full'), join(root, 'none')];
  const full = new BenchChild('./whole-child.ts', [fullDir]);
  const none = new BenchChild('./whole-child.ts', [noneDir]);
  await Promise.all([full.next(), none.next()]);
  execFileSync(MILLRACE, ['push', 'idle', folders.functionShared, '--data-dir', fullDir]);
  const startMs = performance.now();
  await fill(await clientOf(join(fullDir, 'kubeconfig')));
  const readyMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  if (profileFolder !== undefined) await full.ask({ name: 'profile' });
  const rows = await overWindow(none, full);
  if (profileFolder !== undefined)
    await full.ask({ name: 'keep-profile', file: join(profileFolder, 'idle-revisions.cpuprofile') });
  await Promise.all([none, full].map((child) => child.ask({ name: 'collect' })));
  const [lean, filled] = [await none.ask({ name: 'memory' }), await full.ask({ name: 'memory' })];
  const heapBytes = (filled['heapUsed'] ?? 0) - (lean['heapUsed'] ?? 0);
  await full.ask({ name: 'close' });
  await Promise.all([none, full].map((child) => child.close()));
  const passMs = await passOverAll(fullDir);
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  return tableOf([
    {
      ...rows,
      'heap KB more for each, objects included': heapBytes / COUNT / 1024,
      's until all are ready': readyMs / 1000,
      's of CPU to start on them': passMs / 1000,
    },
  ]);
};

/** Resolves once every revision is Ready. */
async function fill(api: ApiClient): Promise<void> {
  for (let i = 0; i < COUNT; i += AT_A_TIME) {
    const names = Array.from({ length: Math.min(AT_A_TIME, COUNT - i) }, (_, n) => `idle-${i + n}`);
    await Promise.all(names.map((name) => api.post(REVISIONS, revision(name))));
  }
  for (const untilMs = Date.now() + READY_MAX_MS; ; await pause(2000)) {
    const { items } = await api.get<{ items: readonly Revision[] }>(REVISIONS);
    const late = items.filter((item) => readyOf(item) !== 'True');
    if (items.length === COUNT && late.length === 0) return;
    if (Date.now() > untilMs) throw new Error(`${late.length} revisions are not ready`);
  }
}

const revision = (name: string): object => ({
  apiVersion: 'serving.knative.dev/v1',
  kind: 'Revision',
  metadata: { name, annotations: { 'autoscaling.knative.dev/initial-scale': '0' } },
  spec: { containers: [{ image: 'idle' }] },
});

function readyOf({ status }: Revision): string | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

function clientOf(kubeconfig: string): Promise<ApiClient> {
  const context = {
    args: [],
    env: { KUBECONFIG: kubeconfig },
    stdout: process.stdout,
    stderr: process.stderr,
  };
  return ApiClient.open(context, undefined);
}

async function overWindow(none: BenchChild, full: BenchChild): Promise<Figures> {
  const before = [none.cpuMicros(), full.cpuMicros()] as const;
  await pause(WINDOW_MS);
  const used = [none.cpuMicros() - before[0], full.cpuMicros() - before[1]] as const;
  const [lean, filled] = [none.memoryMb(), full.memoryMb()];
  const ofACore = (micros: number): number => micros / 10 / WINDOW_MS;
  return {
    '% of a core more': ofACore(used[1] - used[0]),
    '% of a core, none': ofACore(used[0]),
    [`% of a core, ${COUNT}`]: ofACore(used[1]),
    'PSS MB more': filled.pss - lean.pss,
  };
}

/** A platform that starts looks at every object once: the CPU time until it rests again. */
async function passOverAll(dataDir: string): Promise<number> {
  const again = new BenchChild('./whole-child.ts', [dataDir]);
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
