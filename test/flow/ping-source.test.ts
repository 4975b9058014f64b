import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';

const root = temporaryFolder('ping-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const manifest = (sink: string): string => `
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: ticks}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: to-me}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ticks}
  subscriber: {uri: '${sink}'}
---
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: every-second}
spec:
  schedule: '* * * * * *'
  contentType: application/json
  data: '{"message":"hello"}'
  ceOverrides: {extensions: {team: shop}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ticks}}
`;

let sink: Subscriber;
let platform: Running;

beforeAll(async () => {
  sink = await subscriber((response) => response.writeHead(204).end());
  platform = await start(dataDir);
  expect(await kubectl(['apply'], manifest(sink.url))).toMatchObject({ code: 0 });
  const ready = [
    'wait',
    '--for=condition=Ready',
    'pingsource/every-second',
    'subscription/to-me',
    '--timeout=20s',
  ];
  expect(await kubectl(ready)).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => sink.close());

const ids = (): string[] => sink.requests.map(({ headers }) => headers['ce-id'] ?? '');
const seconds = (): number[] =>
  [...new Set(ids())].map((id) => Number(id.split('.')[1])).toSorted((a, b) => a - b);

describe('a PingSource on a whole platform', { timeout: 60_000 }, () => {
  it('brings its events through a channel to a subscriber', async () => {
    await expect.poll(() => sink.requests.length, { timeout: 10_000 }).toBeGreaterThan(1);
    const [request] = sink.requests;
    expect(request?.headers).toMatchObject({
      'ce-type': 'dev.knative.sources.ping',
      'ce-source': '/apis/v1/namespaces/default/pingsources/every-second',
      'ce-team': 'shop',
      'content-type': 'application/json',
    });
    expect(request?.body.toString()).toBe('{"message":"hello"}');
  });

  it('shows itself to kubectl as upstream’s does', async () => {
    const { stdout } = await kubectl(['get', 'pingsources.v1.sources.knative.dev']);
    expect(stdout).toMatch(
      /^NAME +SINK +SCHEDULE +AGE +READY +REASON *\nevery-second +http:\S+\/channels\/default\/ticks +\* \* \* \* \* \* +\d+s +True/,
    );
    const older = await kubectl([
      'get',
      'pingsources.v1beta2.sources.knative.dev/every-second',
      '-o',
      'yaml',
    ]);
    expect(older.stdout).toContain('apiVersion: sources.knative.dev/v1beta2');
    const refused = manifest(sink.url).replace('* * * * * *', '@every 1h');
    expect((await kubectl(['apply'], refused)).stderr).toContain(
      'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: invalid value: unsupported descriptor @every: spec.schedule',
    );
  });

  it('loses no tick to a kill, and repeats at most what was in hand', async () => {
    await platform.stop('SIGKILL');
    const known = sink.requests.length;
    await start(dataDir);
    await expect.poll(() => sink.requests.length, { timeout: 20_000 }).toBeGreaterThan(known + 2);
    const [first = 0] = seconds();
    expect(seconds()).toEqual(seconds().map((_, i) => first + i));
    expect(ids().length - new Set(ids()).size).toBeLessThanOrEqual(2); // of the source, and of the subscription
  });
});
