import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';
import { WITNESS, type Witnessed } from '../kit/process-serving.ts';

const root = temporaryFolder('destroy-pod');
const dataDir = join(root, 'data');
const service = (name: string, container: string, annotations = ''): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {template: {metadata: {annotations: {${annotations}}}, spec: {timeoutSeconds: 20, containers: [${container}]}}}
`;

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  for (const [image, code] of [
    ['witness', folderWith('witness', WITNESS)],
    [
      'elsewhere',
      folderWith('elsewhere', {
        Procfile: 'web: node server.js',
        'server.js': "require('node:http').createServer().listen(0, '127.0.0.1');",
      }),
    ],
  ] as const)
    expect(await millrace(['push', image, code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
});
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  return stdout;
}
async function apply(name: string, container = '{image: witness}'): Promise<void> {
  await ok(['apply'], service(name, container));
  await ok(['wait', '--for=condition=Ready', '--timeout=20s', `ksvc/${name}`]);
}
async function ask(name: string, ms = 0): Promise<Witnessed> {
  const { statusCode, body } = await request(`${platform.endpoints.gateway}/?ms=${ms}`, {
    headers: { host: `${name}.default.localhost` },
  });
  const text = await body.text();
  expect({ statusCode, text }).toMatchObject({ statusCode: 200 });
  return JSON.parse(text) as Witnessed;
}
const podsOf = async (name: string): Promise<readonly string[]> =>
  (await ok(['get', 'pods', '-l', `serving.knative.dev/service=${name}`, '-o', 'name']))
    .split('\n')
    .filter(Boolean);
const podOf = async (name: string): Promise<string> => {
  await expect.poll(() => podsOf(name), { timeout: 5000 }).toHaveLength(1);
  return (await podsOf(name))[0] ?? '';
};
function isRunning(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z '); // it has only not been waited for
}

describe('kubectl delete pod', { timeout: 40_000 }, () => {
  it('lets the instance answer what it has, ends it then, and another answers meanwhile', async () => {
    await apply('inflight');
    const { pid } = await ask('inflight');
    const pod = await podOf('inflight');
    const long = ask('inflight', 2500);
    await ok(['delete', pod]);
    const meanwhile = await ask('inflight');
    expect(meanwhile.pid).not.toBe(pid);
    expect(isRunning(pid)).toBe(true);
    expect(await long).toMatchObject({ pid, wasIll: false });
    await expect.poll(() => isRunning(pid), { timeout: 3000 }).toBe(false);
    expect(await podsOf('inflight')).not.toContain(pod);
  });

  it('ends an idle instance at once, long before timeoutSeconds, and the next request has another', async () => {
    await apply('timely');
    const { pid } = await ask('timely');
    const pod = await podOf('timely');
    await ok(['delete', pod]);
    await expect.poll(() => isRunning(pid), { timeout: 3000 }).toBe(false);
    expect((await ask('timely')).pid).not.toBe(pid);
    expect(await podOf('timely')).not.toBe(pod);
  });

  it('under a stream of requests loses none, and none finds an instance that ends', async () => {
    await apply('busy');
    const pods = new Set<string>();
    const answers: Promise<Witnessed>[] = [];
    for (let sent = 0; sent < 60; sent += 1) {
      answers.push(ask('busy', 600));
      if (sent % 20 === 10) {
        const pod = await podOf('busy');
        pods.add(pod);
        await ok(['delete', pod]);
      }
      await pause(20); // a stream of them, not a crowd
    }
    const all = await Promise.all(answers);
    expect(all.filter(({ wasIll }) => wasIll)).toEqual([]);
    expect(pods.size).toBe(3);
    expect(new Set(all.map(({ pid }) => pid)).size).toBeGreaterThanOrEqual(4);
  });
});

describe('a program that listens on a port of its own', { timeout: 40_000 }, () => {
  it('is told so by its Service: which port, and what to do', async () => {
    await ok(['apply'], service('elsewhere', '{image: elsewhere}', 'runtime.millrace.dev/network: host'));
    const message = async (): Promise<string> =>
      ok(['get', 'ksvc', 'elsewhere', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].message}']);
    await expect
      .poll(message, { timeout: 20_000, interval: 300 })
      .toMatch(/listens on port \d+, not on the one it was given in PORT \(\d+\)/);
  });
});
