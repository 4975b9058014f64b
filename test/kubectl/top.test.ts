import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { SERVER } from '../kit/local-runtime.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('top');
const dataDir = join(root, 'data');
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const image = folderWith('top', { 'server.js': SERVER });
  await millrace(['push', 'top', image, '--command', 'exec node server.js', '--data-dir', dataDir]);
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'busy' },
    spec: {
      template: {
        metadata: { annotations: { 'autoscaling.knative.dev/min-scale': '1' } },
        spec: { containers: [{ image: 'top' }] },
      },
    },
  };
  await kubectl(['apply'], JSON.stringify(manifest));
  expect(await kubectl(['wait', '--for=condition=Ready', '--timeout=20s', 'ksvc/busy'])).toMatchObject({
    code: 0,
  });
}, 30_000);
afterAll(() => platform.close(0));

const program = { containers: [{ name: 'main', image: 'top', ports: [{ containerPort: 8080 }] }] };
const labels = { app: 'steady' };
const STEADY = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'steady' },
  spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: program } },
};

const POD = /^busy-00001-deployment-\S+ +\d+m +[1-9]\d*Mi *$/m;

it('kubectl top pods tells what each instance uses, by label too', async () => {
  await expect.poll(async () => (await kubectl(['top', 'pods'])).stdout, { timeout: 10_000 }).toMatch(POD);
  expect((await kubectl(['top', 'pods', '-l', 'serving.knative.dev/service=busy'])).stdout).toMatch(POD);
  expect((await kubectl(['top', 'pods', '-A', '--containers'])).stdout).toMatch(
    /^default +busy-\S+ +user-container +\d+m +[1-9]\d*Mi *$/m,
  );
  expect((await kubectl(['top', 'pods', '-l', 'no=body'])).stdout).toBe('');
  expect(await kubectl(['top', 'pod', 'nobody'])).toMatchObject({ code: 1 });
});

it('and what a Pod of a Deployment uses, as millrace status does', async () => {
  expect(await kubectl(['apply'], JSON.stringify(STEADY))).toMatchObject({ code: 0 });
  await expect
    .poll(async () => (await kubectl(['top', 'pods', '-l', 'app=steady', '--containers'])).stdout, {
      timeout: 15_000,
    })
    .toMatch(/^steady-\S+ +main +\d+m +[1-9]\d*Mi *$/m);
  expect((await millrace(['status', '--data-dir', dataDir])).stdout).toMatch(
    /^ {2}pod default\/steady-\S+: \d+m CPU, [1-9]\d* MiB$/m,
  );
}, 20_000);

it('kubectl top nodes tells how busy the machine is', async () => {
  await expect
    .poll(async () => (await kubectl(['top', 'nodes'])).stdout, { timeout: 10_000 })
    .toMatch(/^millrace +\d+m +\d+% +[1-9]\d*Mi +\d+% *$/m);
});

it('discovery tells of the group, in both of its forms', async () => {
  const { stdout } = await kubectl(['api-resources', '--api-group=metrics.k8s.io']);
  expect(stdout).toMatch(/^nodes +metrics.k8s.io\/v1beta1 +false +NodeMetrics$/m);
  expect(stdout).toMatch(/^pods +metrics.k8s.io\/v1beta1 +true +PodMetrics$/m);
  expect((await kubectl(['get', '--raw', '/apis'])).stdout).toContain('"name":"metrics.k8s.io"');
  const list = (await kubectl(['get', '--raw', '/apis/metrics.k8s.io/v1beta1'])).stdout;
  expect(JSON.parse(list)).toMatchObject({ groupVersion: 'metrics.k8s.io/v1beta1' });
  const refused = await kubectl(['delete', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes/millrace']);
  expect(refused.stderr).toContain('can be read only');
});

it('millrace status tells the same figures', async () => {
  await expect
    .poll(async () => (await millrace(['status', '--data-dir', dataDir])).stdout, { timeout: 10_000 })
    .toMatch(/^ {2}pod default\/busy-00001-deployment-\S+: \d+m CPU, [1-9]\d* MiB$/m);
});
