import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Revision } from '../src/apis/serving/types.ts';
import type { ApiClient } from '../src/cli/client.ts';
import { IdlePair } from './idle-pair.ts';
import type { Bench } from './results.ts';
import { tableOf } from './rounds.ts';

const COUNT = 10_000;
const AT_A_TIME = 32;
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
  const pair = await IdlePair.open();
  execFileSync(MILLRACE, ['push', 'idle', folders.functionShared, '--data-dir', pair.full.dataDir]);
  const startMs = performance.now();
  await fill(pair.full.api);
  const readyMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  const rows = await pair.overWindow(
    COUNT,
    profileFolder && join(profileFolder, 'idle-revisions.cpuprofile'),
  );
  const heapBytes = await pair.heapBytes();
  const passMs = await pair.passOverAll();
  await pair.close();
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
