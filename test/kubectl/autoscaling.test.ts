import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { RUNNER_BYTES } from '../../src/serving/runtime/process/pool-size.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('autoscaling');
const dataDir = join(root, 'data');
const SLOW = folderWith('slow', {
  'index.js':
    "exports.handle = ({ query }) => new Promise((done) => setTimeout(() => done('hello'), Number(query.ms ?? 0)));\n",
});
/** Half a core, whatever is asked of it. */
const BUSY = folderWith('busy', {
  'index.js': `setInterval(() => { const end = Date.now() + 50; while (Date.now() < end); }, 100);
exports.handle = () => 'busy';\n`,
});

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir, { warmBytes: 4 * RUNNER_BYTES });
  kubectl = kubectlFor(root, platform.kubeconfig);
  for (const [name, folder] of [
    ['slow', SLOW],
    ['busy', BUSY],
  ] as const)
    expect(await millrace(['push', name, folder, '--data-dir', dataDir])).toMatchObject({ code: 0 });
}, 30_000);
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: expect.any(String) });
  return stdout;
}

/** Applied, and ready. */
async function serve(
  name: string,
  annotations: Record<string, string>,
  { image = 'slow', env = '1', cpu = '1' } = {},
): Promise<void> {
  const all = { window: '6s', ...annotations };
  const lines = Object.entries(all).map(([key, value]) => `autoscaling.knative.dev/${key}: "${value}"`);
  await ok(
    ['apply'],
    `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {${lines.join(', ')}}}
    spec:
      containers:
      - {image: ${image}, env: [{name: GENERATION, value: "${env}"}], resources: {requests: {cpu: "${cpu}"}}}
`,
  );
  await ok(['wait', '--for=condition=Ready', '--timeout=20s', `ksvc/${name}`]);
}

async function ask(name: string, ms = 0): Promise<string> {
  const headers = { host: `${name}.default.localhost` };
  const { body } = await request(`${platform.endpoints.gateway}/?ms=${ms}`, { headers });
  return body.text();
}

/** What kubectl shows of an object of the autoscaler, blanks as one. */
const row = async (kind: string, name: string): Promise<string> =>
  (await ok(['get', kind, name, '--no-headers'])).trim().replaceAll(/ +/g, ' ');
const scaleOf = async (revision: string): Promise<number> =>
  Number(await ok(['get', 'kpa', revision, '-o', 'jsonpath={.status.actualScale}']));
const active = (kind: string, name: string): Promise<string> =>
  ok(['get', kind, name, '-o', 'jsonpath={.status.conditions[?(@.type=="Active")].reason}']);
/** Every Pod that comes, as kubectl tells of it. */
function watchPods(): { readonly seen: () => string; stop(): void } {
  const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
  const child = spawn('kubectl', ['get', 'pods', '-w'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
  return { seen: () => seen, stop: () => void child.kill() };
}
const soon = { timeout: 20_000, interval: 250 };

describe.concurrent('scale bounds, as kubectl sees them', { timeout: 60_000 }, () => {
  it('min-scale holds until another revision has the traffic, and follows its annotation', async ({
    expect: e,
  }) => {
    await serve('steady', { 'min-scale': '2' });
    await e.poll(() => row('kpa', 'steady-00001'), soon).toBe('steady-00001 2 2 True');
    await ok(['annotate', 'rev', 'steady-00001', 'autoscaling.knative.dev/min-scale=1', '--overwrite']);
    await e.poll(() => row('kpa', 'steady-00001'), soon).toBe('steady-00001 1 1 True');
    await serve('steady', { 'min-scale': '1' }, { env: '2' });
    await e.poll(() => row('kpa', 'steady-00002'), soon).toBe('steady-00002 1 1 True');
    await e.poll(() => row('kpa', 'steady-00001'), soon).toBe('steady-00001 0 0 False NoTraffic');
  });

  it('initial-scale is reached before a revision is ready, and let go of', async ({ expect: e }) => {
    const watching = watchPods();
    await serve('several', { 'initial-scale': '3' });
    await e.poll(() => new Set(watching.seen().match(/several-00001-deployment-\S+/g)).size, soon).toBe(3);
    watching.stop();
    await e.poll(() => row('kpa', 'several-00001'), soon).toBe('several-00001 0 0 False NoTraffic');
  });

  it('initial-scale 0 makes a revision ready without an instance, and the first request wakes it', async ({
    expect: e,
  }) => {
    await serve('sleeper', { 'initial-scale': '0' });
    await e.poll(() => row('kpa', 'sleeper-00001'), soon).toBe('sleeper-00001 0 0 False NoTraffic');
    await e
      .poll(() => row('sks', 'sleeper-00001'), soon)
      .toBe('sleeper-00001 Proxy 3 sleeper-00001 sleeper-00001-private Unknown NoHealthyBackends');
    e(await ask('sleeper')).toBe('hello');
    await e.poll(() => row('kpa', 'sleeper-00001'), soon).toBe('sleeper-00001 1 1 True');
    await e.poll(() => active('rev', 'sleeper-00001'), soon).toBe('');
    await e.poll(() => active('rev', 'sleeper-00001'), soon).toBe('NoTraffic');
    await e.poll(() => active('kpa', 'sleeper-00001'), soon).toBe('NoTraffic');
  });

  it('activation-scale is what the first request brings up', async ({ expect: e }) => {
    await serve('group', { 'initial-scale': '0', 'activation-scale': '3' });
    e(await ask('group')).toBe('hello');
    await e.poll(() => scaleOf('group-00001'), soon).toBe(3);
  });

  it('a target of requests at once is kept to, and max-scale is not passed', async ({ expect: e }) => {
    await serve('wide', { target: '1', 'max-scale': '3', 'target-burst-capacity': '0' });
    const answers = Promise.all(Array.from({ length: 5 }, () => ask('wide', 8000)));
    await e.poll(() => row('kpa', 'wide-00001'), soon).toBe('wide-00001 3 3 True');
    await e
      .poll(() => row('sks', 'wide-00001'), soon)
      .toBe('wide-00001 Serve 2 wide-00001 wide-00001-private True');
    e(await answers).toEqual(Array.from({ length: 5 }, () => 'hello'));
  });

  it('class hpa follows the CPU that processes use, and stays up', async ({ expect: e }) => {
    const scale = { class: 'hpa.autoscaling.knative.dev', metric: 'cpu', target: '100', 'max-scale': '2' };
    await serve('busy', scale, { image: 'busy', cpu: '100m' });
    await e
      .poll(() => row('kpa', 'busy-00001'), { timeout: 55_000, interval: 500 })
      .toBe('busy-00001 2 2 True');
    e(await row('sks', 'busy-00001')).toBe('busy-00001 Serve busy-00001 busy-00001-private True');
  });

  it('a class that nobody serves here says so, and answers all the same', async ({ expect: e }) => {
    await serve('foreign', { class: 'keda.example.com' });
    await e.poll(() => row('kpa', 'foreign-00001'), soon).toBe('foreign-00001 1 1 Unknown ClassUnknown');
    e(await ask('foreign')).toBe('hello');
  });
});

describe('config-autoscaler', { timeout: 60_000 }, () => {
  const patch = (data: Record<string, string>): ReturnType<TestApi['kubectl']> =>
    kubectl(['patch', 'cm', 'config-autoscaler', '-n', 'knative-serving', '-p', JSON.stringify({ data })]);

  it('is taken at once by what stands', async () => {
    await serve('late', { 'initial-scale': '0' });
    expect(await scaleOf('late-00001')).toBe(0);
    expect(await patch({ 'enable-scale-to-zero': 'false' })).toMatchObject({ code: 0 });
    await expect.poll(() => row('kpa', 'late-00001'), soon).toBe('late-00001 1 1 True');
    expect(await patch({ 'enable-scale-to-zero': 'true' })).toMatchObject({ code: 0 });
  });

  it('is refused by the webhook’s words when it could not be', async () => {
    const { code, stderr } = await patch({ 'max-scale-up-rate': '1' });
    expect(code).toBe(1);
    expect(stderr).toContain(
      'admission webhook "config.webhook.serving.knative.dev" denied the request: validation failed: max-scale-up-rate = 1, must be greater than 1.0',
    );
  });
});
