import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { RabbitmqNode, rabbitmqServer } from '../servers/rabbitmq.ts';

const missing = await rabbitmqServer.prepare();
const root = temporaryFolder('broker-away');
const dataDir = join(root, 'data');
const up = platformStarter();
/** How soon after its return a broker has to be of use again (issue 4). */
const BACK_WITHIN_MS = 5000;

const connection = (uri: string): string => `
apiVersion: v1
kind: Secret
metadata: {name: broker, namespace: knative-eventing}
stringData: {uri: '${uri}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: rabbitmq-channel-config, namespace: knative-eventing}
data: {auth.secret.ref.name: broker}
`;
const channel = (name: string): string => `
apiVersion: messaging.knative.dev/v1alpha1
kind: RabbitmqChannel
metadata: {name: ${name}}
---`;
const world = (subscriberUrl: string): string => `${channel('orders')}${channel('short-lived')}
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: audits}
spec:
  channel: {apiVersion: messaging.knative.dev/v1alpha1, kind: RabbitmqChannel, name: orders}
  subscriber: {uri: '${subscriberUrl}'}
---
apiVersion: v1
kind: Secret
metadata: {name: github-webhook}
stringData: {secretToken: a secret of the test}
---
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: repository}
spec:
  ownerAndRepository: Codertocat/Hello-World
  eventTypes: [push]
  secretToken: {secretKeyRef: {name: github-webhook, key: secretToken}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1alpha1, kind: RabbitmqChannel, name: orders}}
`;

let node: RabbitmqNode;
let audit: Subscriber;
let kubectl: TestApi['kubectl'];
let events: string;

describe.skipIf(missing !== undefined)(
  `a broker that goes away ${missing ?? ''}`,
  { timeout: 60_000 },
  () => {
    beforeAll(async () => {
      node = await RabbitmqNode.make(join(root, 'rabbitmq'));
      audit = await subscriber((response) => response.writeHead(204).end());
      const [, platform] = await Promise.all([node.start(), up(dataDir)]);
      expect(platform.pid).toBeGreaterThan(0);
      kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
      events = runFileOf(dataDir).endpoints['events'] ?? '';
    });
    afterAll(async () => {
      audit.close();
      await node.end();
    });

    const ready = async (kind: string, name: string): Promise<{ status: string; message: string }> => {
      const { stdout } = await kubectl(['get', kind, name, '-o', 'json']);
      const { status } = JSON.parse(stdout === '' ? '{}' : stdout) as {
        status?: { conditions?: { type: string; status: string; message?: string }[] };
      };
      const found = status?.conditions?.find(({ type }) => type === 'Ready');
      return { status: found?.status ?? '', message: found?.message ?? '' };
    };
    const publish = (id: string): Promise<Response> =>
      fetch(`${events}/channels/default/orders`, {
        method: 'POST',
        headers: { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/shop', 'ce-type': 'order.paid' },
      });
    const seen = (): string[] => audit.requests.map(({ headers }) => headers['ce-id'] ?? '');
    const eventually = <T>(read: () => T | Promise<T>) =>
      expect.poll(read, { timeout: 20_000, interval: 50 });

    it('says that its credentials are refused, in its own words, and takes new ones by itself', async () => {
      expect(
        await kubectl(['apply'], connection(node.address.replace('guest:guest', 'guest:wrong'))),
      ).toMatchObject({
        code: 0,
      });
      expect(await kubectl(['apply'], world(audit.url))).toMatchObject({ code: 0 });
      await eventually(() => ready('rabbitmqchannel', 'orders')).toMatchObject({
        status: 'False',
        message: expect.stringMatching(/ACCESS.REFUSED/i),
      });
      await kubectl(['apply'], connection(node.address));
      for (const [kind, name] of [
        ['rabbitmqchannel', 'orders'],
        ['rabbitmqchannel', 'short-lived'],
        ['subscription', 'audits'],
      ] as const)
        await eventually(() => ready(kind, name)).toMatchObject({ status: 'True' });
      expect((await publish('first')).status).toBe(202);
      await eventually(seen).toEqual(['first']);
    });

    it('is told by 503, by status, and by what delays a deletion, while it is away', async () => {
      await node.kill();
      await eventually(async () => (await publish('while-away')).status).toBe(503);
      expect((await publish('while-away')).headers.get('retry-after')).toBe('1');
      await eventually(() => ready('rabbitmqchannel', 'orders')).toMatchObject({ status: 'False' });
      await eventually(() => ready('subscription', 'audits')).toMatchObject({ status: 'False' });
      await kubectl(['delete', 'rabbitmqchannel', 'short-lived', '--wait=false']);
      await eventually(
        async () => (await kubectl(['get', 'rabbitmqchannel', 'short-lived'])).stdout,
      ).toContain('DeletionDelayed');
      const { stdout } = await millrace(['status', '--data-dir', dataDir]);
      expect(stdout).toMatch(
        /RabbitmqChannel\/default\/orders: unknown, .*(?:refused|closed|gone|lost|reset)/i,
      );
      const sent = await millrace([
        'send',
        'githubsource/repository',
        '--event',
        'push',
        '--data-dir',
        dataDir,
      ]);
      expect(sent).toMatchObject({ code: 0, stdout: expect.stringContaining('202') }); // kept here meanwhile
    });

    it('is of use again within five seconds of its return, with all that was kept meanwhile', async () => {
      await node.start();
      const backMs = performance.now();
      await eventually(async () => (await publish('back')).status).toBe(202);
      expect(performance.now() - backMs).toBeLessThan(BACK_WITHIN_MS);
      await eventually(() => ready('rabbitmqchannel', 'orders')).toMatchObject({ status: 'True' });
      await eventually(() => ready('subscription', 'audits')).toMatchObject({ status: 'True' });
      await eventually(() =>
        audit.requests.some(({ headers }) => headers['ce-type']?.endsWith('.github.push')),
      ).toBe(true);
      await eventually(seen).toContain('back');
      await eventually(async () => (await kubectl(['get', 'rabbitmqchannel', 'short-lived'])).code).toBe(1);
    });
  },
);
