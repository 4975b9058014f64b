import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { GitHubStandIn, TOKEN } from '../kit/github-api.ts';
import { examplePayloads } from '../kit/github.ts';
import { platformStarter, runFileOf, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';

const TARGET = 'Codertocat/Hello-World';
const WAIT = { timeout: 60_000, interval: 100 };

const world = (apiUrl: string, subscriberUrl: string): string => `
apiVersion: v1
kind: Secret
metadata: {name: github}
stringData: {secretToken: a long random text, accessToken: ${TOKEN}}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: github}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: counts}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: github}
  subscriber: {uri: '${subscriberUrl}'}
---
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: repository}
spec:
  ownerAndRepository: ${TARGET}
  eventTypes: [push]
  githubAPIURL: ${apiUrl}
  accessToken: {secretKeyRef: {name: github, key: accessToken}}
  secretToken: {secretKeyRef: {name: github, key: secretToken}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: github}}
`;
const straightTo = (url: string): string =>
  JSON.stringify([{ op: 'replace', path: '/spec/sink', value: { uri: url } }]);

const root = temporaryFolder('github-faults');
const dataDir = join(root, 'data');
const up = platformStarter();
const push = examplePayloads().find(({ name }) => name === 'push')?.payload ?? {};
let gitHub: GitHubStandIn;
let sink: Subscriber;
let isSinkAway = false;
let platform: Running;
let kubectl: TestApi['kubectl'];

const start = async (): Promise<void> => {
  platform = await up(dataDir);
  kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
};
/** How often the sink has taken each delivery. */
function takenBy(): Map<string, number> {
  const times = new Map<string, number>();
  for (const { headers } of sink.requests) {
    const id = headers['ce-id'] ?? '';
    times.set(id, (times.get(id) ?? 0) + 1);
  }
  return times;
}
const ready = (): Promise<object> =>
  kubectl([
    'wait',
    '--for=condition=Ready',
    '--timeout=28s',
    'githubsource/repository',
    'subscription/counts',
  ]);

beforeAll(async () => {
  gitHub = await GitHubStandIn.open(TARGET);
  sink = await subscriber((response) => {
    response.statusCode = isSinkAway ? 503 : 202;
    response.end();
  });
  await start();
  expect(await kubectl(['apply'], world(gitHub.url, sink.url))).toMatchObject({ code: 0 });
  expect(await ready()).toMatchObject({ code: 0, stderr: '' });
});
afterAll(async () => {
  sink.close();
  await gitHub.close();
  expect(gitHub.faults).toEqual([]);
});

describe('a GitHubSource loses nothing that GitHub keeps', { timeout: 150_000 }, () => {
  it('when its platform is killed under load, twice', async () => {
    const made: string[] = [];
    let [isOver, begun, allowed] = [false, 0, 0];
    const load = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        if (begun >= allowed) {
          await pause(10);
          continue;
        }
        begun += 1;
        const [delivery] = await gitHub.emit(TARGET, 'push', push);
        if (delivery !== undefined) made.push(delivery.guid);
      }
    });
    for (let kills = 1; kills <= 2; kills += 1) {
      allowed += 60;
      await expect.poll(() => made.length, WAIT).toBeGreaterThan(allowed - 30);
      await platform.stop('SIGKILL');
      allowed += 20; // which find nobody
      await expect.poll(() => made.length, WAIT).toBe(allowed);
      await start();
    }
    isOver = true;
    await Promise.all(load);
    await expect.poll(() => made.filter((id) => !takenBy().has(id)), WAIT).toEqual([]);
    const repeats = [...takenBy().values()].reduce((sum, times) => sum + times - 1, 0);
    expect(repeats).toBeLessThanOrEqual(2 * 4 + 2 * 64); // in hand at a kill: at the door, and at the dispatcher
    expect(gitHub.hooksOf(TARGET)).toHaveLength(1);
  });

  it('when GitHub’s API is away as it starts, and while it fetches', async () => {
    await platform.stop('SIGKILL');
    const made: string[] = [];
    for (let i = 0; i < 10; i += 1)
      made.push(...(await gitHub.emit(TARGET, 'push', push)).map(({ guid }) => guid));
    await gitHub.goAway();
    await start();
    const conditions = async (): Promise<string> =>
      (await kubectl(['get', 'githubsource', 'repository', '-o', 'jsonpath={.status.conditions}'])).stdout;
    await expect.poll(conditions, WAIT).toMatch(/was not reached.*GitHubUnavailable/);
    let details = 0;
    gitHub.instead = ({ path }) => {
      if (!/deliveries\/\d+$/.test(path) || (details += 1) % 3 !== 0) return undefined;
      return { status: 502, body: '<html>Unicorn!</html>' };
    };
    await gitHub.comeBack();
    await expect.poll(() => made.filter((id) => !takenBy().has(id)), WAIT).toEqual([]);
    gitHub.instead = undefined;
    expect(await ready()).toMatchObject({ code: 0, stderr: '' });
    expect(made.map((id) => takenBy().get(id))).toEqual(made.map(() => 1));
  });

  it('when its sink is away while it fetches', async () => {
    const patched = await kubectl([
      'patch',
      'githubsource',
      'repository',
      '--type=json',
      '-p',
      straightTo(sink.url),
    ]);
    expect(patched).toMatchObject({ code: 0 });
    expect(await ready()).toMatchObject({ code: 0, stderr: '' });
    await platform.stop('SIGTERM');
    isSinkAway = true;
    const [delivery] = await gitHub.emit(TARGET, 'push', push);
    const tries = (): number =>
      sink.requests.filter(({ headers }) => headers['ce-id'] === delivery?.guid).length;
    await start();
    await expect.poll(tries, WAIT).toBeGreaterThan(2);
    const { stdout } = await kubectl([
      'get',
      'githubsource',
      'repository',
      '-o',
      'jsonpath={.status.conditions}',
    ]);
    expect(stdout).toMatch(/answered 503.*SinkRefuses/);
    isSinkAway = false;
    expect(await ready()).toMatchObject({ code: 0, stderr: '' });
    const until = tries();
    await platform.stop('SIGTERM');
    await start();
    expect(await ready()).toMatchObject({ code: 0, stderr: '' });
    expect(tries()).toBe(until);
  });

  it('but for what it still owed when it is deleted, and then it says how much that was', async () => {
    isSinkAway = true;
    const before = sink.requests.length;
    await gitHub.emit(TARGET, 'push', push);
    await gitHub.emit(TARGET, 'push', push);
    await expect.poll(() => sink.requests.length, WAIT).toBeGreaterThan(before + 1); // both are on their way
    expect(await kubectl(['delete', 'githubsource', 'repository'])).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await kubectl([
      'get',
      'events',
      '--field-selector=reason=EventsGivenUp',
      '--no-headers',
    ]);
    expect(stdout).toMatch(
      /Warning +EventsGivenUp +githubsource\/repository +2 events that were accepted and not yet delivered to the sink are given up/,
    );
    expect(gitHub.hooksOf(TARGET)).toEqual([]);
  });
});
