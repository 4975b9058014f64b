import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';

const root = temporaryFolder('container-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
/** Sends a beat every fifth of a second, and ends at its third when it is told to; its output is for `kubectl logs`. */
const heart = (sound: string): string =>
  folderWith('heart', {
    'heart.mjs': `
      import { setTimeout as pause } from 'node:timers/promises';
      const { extensions = {} } = JSON.parse(process.env.K_CE_OVERRIDES || '{}');
      for (let beat = 1; ; beat += 1) {
        const headers = { 'ce-specversion': '1.0', 'ce-id': process.pid + '.' + beat, 'ce-source': '/heart', 'ce-type': '${sound}' };
        for (const [name, value] of Object.entries(extensions)) headers['ce-' + name] = value;
        const answer = await fetch(process.env.K_SINK, { method: 'POST', headers });
        console.log('${sound}', beat, answer.status, process.env.SECRET);
        if (beat === Number(process.env.ENDS_AT)) process.exit(3);
        await pause(200);
      }`,
  });
const source = (more = '', name = 'heart'): string => `
apiVersion: v1
kind: Secret
metadata: {name: vault}
stringData: {word: sesame}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: beats}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: to-me}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: beats}
  subscriber: {uri: '${sink.url}'}
---
apiVersion: sources.knative.dev/v1
kind: ContainerSource
metadata: {name: ${name}}
spec:
  template:
    spec:
      containers:
        - image: heart
          env:
            - {name: SECRET, valueFrom: {secretKeyRef: {name: vault, key: word}}}
            ${more}
  ceOverrides: {extensions: {team: shop}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: beats}}
`;

let sink: Subscriber;
let platform: Running;

beforeAll(async () => {
  sink = await subscriber((response) => response.writeHead(204).end());
  platform = await start(dataDir);
}, 60_000);
afterAll(() => sink.close());

const apply = async (text: string) => expect(await kubectl(['apply'], text)).toMatchObject({ code: 0 });
const push = async (sound: string, ...flags: string[]) =>
  millrace(['push', 'heart', heart(sound), '--command', 'node heart.mjs', '--data-dir', dataDir, ...flags]);
const get = async (...args: string[]) => (await kubectl(['get', ...args])).stdout;
const types = (): string[] => sink.requests.map(({ headers }) => headers['ce-type'] ?? '');
const pods = async () => (await get('pods', '-o', 'name')).trim().split('\n');
const ready = () => kubectl(['wait', '--for=condition=Ready', 'containersource/heart', '--timeout=20s']);
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
const WAIT = { timeout: 20_000, interval: 100 };

describe('a ContainerSource on a whole platform', { timeout: 60_000 }, () => {
  it('says what its image lacks, and starts when it is pushed', async () => {
    await apply(source());
    await expect
      .poll(
        () =>
          get('containersource', 'heart', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].message}'),
        WAIT,
      )
      .toContain('push it with: millrace push heart');
    expect(await push('lub')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('ContainerSource default/heart uses'),
    });
    expect(await ready()).toMatchObject({ code: 0 });
    await expect.poll(types, WAIT).toContain('lub');
    expect(sink.requests[0]?.headers).toMatchObject({ 'ce-source': '/heart', 'ce-team': 'shop' });
  });

  it('looks to kubectl as upstream’s does, its output included', async () => {
    expect(await get('containersource')).toMatch(
      /^NAME +SINK +AGE +READY +REASON *\nheart +http:\S+beats +\d+s +True/,
    );
    expect(await get('sinkbinding')).toMatch(/heart-sinkbinding +http:\S+beats +\d+s +True/);
    expect(await get('deploy')).toMatch(/heart-deployment +1\/1 +1 +1/);
    expect(await get('pods')).toMatch(/^NAME.*\nheart-deployment-[0-9a-f]{10}-\w{5} +1\/1 +Running +0/);
    const { stdout } = await kubectl(['logs', 'deploy/heart-deployment', '--tail=2']);
    expect(stdout).toMatch(/^lub \d+ 202 sesame\nlub \d+ 202 sesame\n$/);
  });

  it('goes on with what it runs when its name is pushed again, until it is rolled out', async () => {
    const before = await pods();
    expect(await push('dub')).toMatchObject({ code: 0 });
    const seen = types().length;
    await expect.poll(() => types().length, WAIT).toBeGreaterThan(seen + 2);
    expect(types()).not.toContain('dub');
    expect(await push('dub', '--roll-out')).toMatchObject({ stdout: expect.stringContaining('rolled out') });
    await expect.poll(types, WAIT).toContain('dub');
    await expect.poll(async () => (await pods()).some((name) => before.includes(name)), WAIT).toBe(false);
    await expect.poll(() => types().at(-1), WAIT).toBe('dub');
  });

  it('gives a deleted Pod a successor', async () => {
    const [before = ''] = await pods();
    await kubectl(['delete', before]);
    await expect.poll(pods, WAIT).not.toContain(before);
    expect(await ready()).toMatchObject({ code: 0 });
  });

  it('is started again when it ends, and says how it ended', async () => {
    await apply(source("- {name: ENDS_AT, value: '3'}", 'weak-heart'));
    await expect.poll(() => get('pods'), WAIT).toMatch(/weak-heart-deployment-\S+ +\d\/1 +\w+ +[2-9]/);
    await expect
      .poll(
        () =>
          get(
            'containersource',
            'weak-heart',
            '-o',
            'jsonpath={.status.conditions[?(@.type=="ReceiveAdapterReady")].message}',
          ),
        WAIT,
      )
      .toMatch(/Container failed with: exited with code 3; it printed last:\n.*dub/);
    expect((await kubectl(['logs', '--previous', 'deploy/weak-heart-deployment'])).stdout).toMatch(/dub 1 /);
    expect(await kubectl(['delete', 'containersource', 'weak-heart'])).toMatchObject({ code: 0 });
    await expect.poll(pods, WAIT).toHaveLength(1);
  });

  it('keeps what runs while a changed one ends again and again, as a Deployment does', async () => {
    const [before = ''] = await pods();
    await apply(source("- {name: ENDS_AT, value: '1'}"));
    await expect.poll(() => get('pods'), WAIT).toMatch(/heart-deployment-\S+ +0\/1 +CrashLoopBackOff +[2-9]/);
    expect(await pods()).toContain(before);
    expect(await ready()).toMatchObject({ code: 0 });
  });

  it('runs again after a kill of the platform, once', async () => {
    await apply(source());
    expect(await ready()).toMatchObject({ code: 0 });
    await platform.stop('SIGKILL');
    const seen = sink.requests.length;
    await start(dataDir);
    await expect.poll(() => sink.requests.length, WAIT).toBeGreaterThan(seen + 5);
    const last = new Set(sink.requests.slice(-3).map(({ headers }) => headers['ce-id']?.split('.')[0]));
    expect(last.size).toBe(1);
    await expect.poll(pods, WAIT).toHaveLength(1);
  });

  it('takes all that it made with it when it is deleted', async () => {
    expect(await kubectl(['delete', 'containersource', 'heart'])).toMatchObject({ code: 0 });
    await expect.poll(() => get('deploy,sinkbinding,pods'), WAIT).toBe('');
    const pid = Number(sink.requests.at(-1)?.headers['ce-id']?.split('.')[0]);
    await expect.poll(() => isAlive(pid), WAIT).toBe(false);
  });
});
