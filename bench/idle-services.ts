import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import type { Service } from '../src/apis/serving/types.ts';
import { IdlePair, type IdlePlatform } from './idle-pair.ts';
import type { Bench } from './results.ts';
import { tableOf, type Figures } from './rounds.ts';

const COUNT = 10_000;
const AT_A_TIME = 32;
const READY_MAX_MS = 1_200_000;
/** What starting leaves to be done and to be collected. */
const SETTLE_MS = 30_000;
const WAKES = 15;
const LISTS = 5;
const MILLRACE = fileURLToPath(new URL('../bin/millrace', import.meta.url));
const SERVICES = '/apis/serving.knative.dev/v1/namespaces/default/services';

/**
 * What ten thousand Services at zero cost, each with all that belongs to one: two whole platforms at once, the other with a
 * single Service, in one window of forty seconds; how long they take to be listed, and whether one of them wakes as fast.
 */
export const idleServices: Bench = async ({ folders, profileFolder }) => {
  const pair = await IdlePair.open();
  const { full, none } = pair;
  for (const { dataDir } of [full, none])
    execFileSync(MILLRACE, ['push', 'idle', folders.functionShared, '--data-dir', dataDir]);
  await fill(none, 1);
  const startMs = performance.now();
  await fill(full, COUNT);
  const readyMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  const file = profileFolder && join(profileFolder, 'idle-services.cpuprofile');
  const window = await pair.overWindow(COUNT, file);
  const heapBytes = await pair.heapBytes();
  const objectBytes = await sizeOfOne(full);
  const jsonBytes = await sizeOfAll(full);
  const rows = [];
  for (let i = 0; i < WAKES; i += 1) rows.push(await wakes(pair, i));
  const listed = await kubectlMs(full);
  const passMs = await pair.passOverAll();
  await pair.close();
  const once = {
    ...window,
    'heap KB more for each, objects included': heapBytes / COUNT / 1024,
    'KB of its Service object alone': objectBytes / 1024,
    'KB of all objects of one, as JSON': jsonBytes / COUNT / 1024,
    's until all are ready': readyMs / 1000,
    's of CPU to start on them': passMs / 1000,
    'kubectl get ksvc -A, ms, the fastest': Math.min(...listed),
  };
  return { ...tableOf([once]), ...tableOf(rows) };
};

/** Resolves once all are Ready; each is made at zero. */
async function fill({ api }: IdlePlatform, count: number): Promise<void> {
  for (let i = 0; i < count; i += AT_A_TIME) {
    const names = Array.from({ length: Math.min(AT_A_TIME, count - i) }, (_, n) => `idle-${i + n}`);
    await Promise.all(names.map((name) => api.post(SERVICES, service(name))));
  }
  for (const untilMs = Date.now() + READY_MAX_MS; ; await pause(2000)) {
    const { items } = await api.get<{ items: readonly Service[] }>(SERVICES);
    const late = items.filter(({ status }) => !isReady(status));
    if (items.length === count && late.length === 0) return;
    if (Date.now() > untilMs) throw new Error(`${late.length} Services are not ready`);
  }
}

const isReady = (status: Service['status']): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

const service = (name: string): object => ({
  apiVersion: 'serving.knative.dev/v1',
  kind: 'Service',
  metadata: { name },
  spec: {
    template: {
      metadata: {
        annotations: {
          'autoscaling.knative.dev/initial-scale': '0',
          'autoscaling.knative.dev/window': '6s',
        },
      },
      spec: { containers: [{ image: 'idle' }] },
    },
  },
});

async function sizeOfOne({ api }: IdlePlatform): Promise<number> {
  return JSON.stringify(await api.get(`${SERVICES}/idle-0`)).length;
}

/** What is made for a Service, and it. */
const KINDS = [
  SERVICES,
  '/apis/serving.knative.dev/v1/configurations',
  '/apis/serving.knative.dev/v1/routes',
  '/apis/serving.knative.dev/v1/revisions',
  '/apis/networking.internal.knative.dev/v1alpha1/ingresses',
  '/apis/networking.internal.knative.dev/v1alpha1/serverlessservices',
  '/apis/autoscaling.internal.knative.dev/v1alpha1/podautoscalers',
  '/apis/autoscaling.internal.knative.dev/v1alpha1/metrics',
  '/apis/apps/v1/deployments',
  '/apis/discovery.k8s.io/v1/endpointslices',
  '/api/v1/services',
  '/api/v1/endpoints',
  '/api/v1/events',
];

async function sizeOfAll({ api }: IdlePlatform): Promise<number> {
  let bytes = 0;
  for (const path of KINDS) {
    const { items } = await api.get<{ items: readonly object[] }>(path);
    bytes += items.reduce((sum, item) => sum + JSON.stringify(item).length, 0);
  }
  return bytes;
}

/** One wake of each, the other first in every second round; of the many another Service each time. */
async function wakes({ full, none }: IdlePair, round: number): Promise<Figures> {
  const ofMany = (): Promise<number> => wakeMs(full, `idle-${(round * 613) % COUNT}`);
  const early = round % 2 === 0 ? await ofMany() : undefined;
  const one = await wakeMs(none, 'idle-0');
  const many = early ?? (await ofMany());
  await atRest(none);
  return { 'wake of 10000 ÷ of one': many / one, 'wake ms, 10000': many, 'wake ms, one': one };
}

async function wakeMs({ gatewayPort }: IdlePlatform, name: string): Promise<number> {
  const agent = new Agent();
  const startMs = performance.now();
  const headers = { host: `${name}.default.localhost` };
  const { statusCode, body } = await request(`http://127.0.0.1:${gatewayPort}/`, {
    headers,
    dispatcher: agent,
  });
  const tookMs = performance.now() - startMs;
  if (statusCode >= 400) throw new Error(`${name} answered ${statusCode} ${await body.text()}`);
  await body.dump();
  await agent.close();
  return tookMs;
}

async function atRest({ api }: IdlePlatform): Promise<void> {
  for (;;) {
    const { items } = await api.get<{ items: readonly unknown[] }>('/api/v1/namespaces/default/pods');
    if (items.length === 0) return;
    await pause(250);
  }
}

/** What a user waits for, discovery and printing included. */
async function kubectlMs({ dataDir }: IdlePlatform): Promise<readonly number[]> {
  const took: number[] = [];
  for (let i = 0; i < LISTS; i += 1) {
    const startMs = performance.now();
    await promisify(execFile)('kubectl', ['get', 'ksvc', '-A'], {
      env: { ...process.env, KUBECONFIG: join(dataDir, 'kubeconfig') },
      maxBuffer: 64 * 1024 * 1024,
    });
    took.push(performance.now() - startMs);
  }
  return took;
}
