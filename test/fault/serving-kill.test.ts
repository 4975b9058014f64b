import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf, type Running } from '../kit/millrace.ts';
import { WITNESS, type Witnessed } from '../kit/process-serving.ts';

const root = temporaryFolder('serving-kill');
const dataDir = join(root, 'data');
const code = folderWith('witness', WITNESS);
const start = platformStarter();

/** `version` makes another revision of it; `bound` is its containerConcurrency. */
const service = (name: string, version: number, bound: number): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/window: 6s, autoscaling.knative.dev/max-scale: '6'}}
    spec:
      containerConcurrency: ${bound}
      timeoutSeconds: 20
      containers: [{image: witness, env: [{name: VERSION, value: '${version}'}]}]
`;

let platform: Running;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await start(dataDir);
  kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
  expect(await millrace(['push', 'witness', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
  for (const name of ['rolling', 'growing', 'draining']) await ok(['apply'], service(name, 1, 1));
  await ok(['wait', '--for=condition=Ready', '--timeout=30s', '--all', 'ksvc']);
});

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: expect.any(String) });
  return stdout;
}
async function ask(name: string, ms = 0): Promise<Witnessed> {
  const { statusCode, body } = await request(`${runFileOf(dataDir).endpoints.gateway}/?ms=${ms}`, {
    headers: { host: `${name}.default.localhost` },
  });
  const text = await body.text();
  expect({ statusCode, text }).toMatchObject({ statusCode: 200 });
  return JSON.parse(text) as Witnessed;
}
const names = async (kind: string): Promise<readonly string[]> =>
  (await ok(['get', kind, '-o', 'name'])).split('\n').filter(Boolean).toSorted();

/** Every process that a process has begot, and they; those that have only not been waited for do not count. */
function familyOf(pid: number): readonly number[] {
  const children = readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .map(Number)
    .filter((each) => parentOf(each) === pid);
  return children.flatMap((child) => [child, ...familyOf(child)]);
}
function parentOf(pid: number): number | undefined {
  const file = `/proc/${pid}/stat`;
  try {
    const [state, parent] = readFileSync(file, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return state === 'Z' ? undefined : Number(parent);
  } catch {
    return undefined; // it has ended meanwhile
  }
}
const isRunning = (pid: number): boolean => existsSync(`/proc/${pid}`) && parentOf(pid) !== undefined;

describe('a platform that is killed', { timeout: 90_000 }, () => {
  it.each([
    [
      'in the middle of a roll-out',
      async (): Promise<void> => {
        await ok(['apply'], service('rolling', 2, 1));
        await expect
          .poll(() => names('revision'), { timeout: 10_000, interval: 5 })
          .toContain('revision.serving.knative.dev/rolling-00002');
      },
    ],
    [
      'in the middle of a scale up',
      async (): Promise<void> => {
        for (let i = 0; i < 30; i += 1) void ask('growing', 300).catch(() => undefined);
        const pods = async (): Promise<number> =>
          (await names('pod')).filter((name) => name.includes('growing')).length;
        await expect.poll(pods, { timeout: 10_000 }).toBeGreaterThan(1);
      },
    ],
    [
      'in the middle of a drain',
      async (): Promise<void> => {
        void ask('draining', 15_000).catch(() => undefined);
        const pods = async (): Promise<readonly string[]> =>
          (await names('pod')).filter((name) => name.includes('draining'));
        await expect.poll(pods, { timeout: 10_000 }).not.toEqual([]);
        await pause(100); // the request is under way
        for (const pod of await pods()) await ok(['delete', pod]);
      },
    ],
  ])(
    '%s comes back with every Service answering, no process left over and no Pod of before',
    async (_, until) => {
      for (const name of ['rolling', 'growing', 'draining']) await ask(name);
      await until();
      const [before, pods] = [familyOf(platform.pid), await names('pod')];
      expect(before.length).toBeGreaterThan(2);
      expect(pods.length).toBeGreaterThan(0);
      await platform.stop('SIGKILL');

      platform = await start(dataDir);
      kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig); // its ports are new ones
      await expect.poll(() => before.filter(isRunning), { timeout: 5000 }).toEqual([]);
      for (const name of ['rolling', 'growing', 'draining'])
        expect(await ask(name)).toMatchObject({ wasIll: false });
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', '--all', 'ksvc']);
      const now = await names('pod');
      expect(now.filter((pod) => pods.includes(pod))).toEqual([]);
      expect(now.length).toBeGreaterThan(0);
      const family = familyOf(platform.pid);
      for (const name of ['rolling', 'growing', 'draining']) expect(family).toContain((await ask(name)).pid);
    },
  );

  it('in a roll-out ends that roll-out once it is back', async () => {
    const latest = await ok(['get', 'ksvc', 'rolling', '-o', 'jsonpath={.status.latestReadyRevisionName}']);
    expect(latest).toBe('rolling-00002');
    expect((await ask('rolling')).revision).toBe('rolling-00002');
  });
});

describe('a platform that is asked to end under load', { timeout: 60_000 }, () => {
  it('answers everything that it has taken, with no 502 and no 503', async () => {
    const { gateway } = runFileOf(dataDir).endpoints;
    const codes: number[] = [];
    const client = async (): Promise<void> => {
      for (;;) {
        const answer = await request(`${gateway}/?ms=40`, { headers: { host: 'growing.default.localhost' } });
        codes.push(answer.statusCode);
        await answer.body.text();
      }
    };
    const clients = Array.from({ length: 8 }, async () => client().catch((error: unknown) => codeOf(error)));
    const long = ask('draining', 3000);
    await expect.poll(() => codes.length, { timeout: 20_000 }).toBeGreaterThan(40);
    const ended = platform.stop('SIGTERM');
    expect(await long).toMatchObject({ wasIll: false });
    const ends = await Promise.all(clients);
    expect(await ended).toBe(0);
    expect(new Set(codes)).toEqual(new Set([200]));
    // Refused; or it was on a kept connection as that was closed, which HTTP/1.1 cannot tell from a request not taken.
    for (const end of ends) expect(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET']).toContain(end);
  });
});

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error;
}
