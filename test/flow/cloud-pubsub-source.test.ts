import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PubSub } from '@google-cloud/pubsub';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { pubsubServer } from '../servers/pubsub.ts';
import { sharedServer } from '../servers/shared.ts';

const PROJECT = `flow-${process.pid}`; // the emulator is shared
const server = await sharedServer(pubsubServer);
const missing = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';
const root = temporaryFolder('pubsub-source-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const code = folderWith('greeter', {
  'index.js':
    'exports.handle = (context, event) => { console.log(`took ${event.type} ${JSON.stringify(event.data)}`); };\n',
});
const SERVICE = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: greeter}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0'}}
    spec: {containers: [{image: greeter}]}
`;
/** The manifest of the page, as people copy it. */
const PAGE = readFileSync(new URL('../../docs/sources/pubsub.md', import.meta.url), 'utf8');
const ORDERS = /```yaml\n([^]*?)```/.exec(PAGE)?.[1] ?? '';
const slow = (sink: string): string => `
apiVersion: events.cloud.google.com/v1beta1
kind: CloudPubSubSource
metadata: {name: slow}
spec:
  topic: slow
  ackDeadline: 10s
  ceOverrides: {extensions: {team: shop}}
  sink: {uri: '${sink}'}
`;

let plain: PubSub;
let sink: Subscriber;
let platform: Running;
/** Answers 503 beyond so many. */
let takenMax = 50;
const taken: string[] = [];

const up = (): Promise<Running> => start(dataDir, ['--pubsub-project', PROJECT]);
async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toMatchObject({ exit: 0 });
  return stdout;
}
const condition = (name: string, type: string, field: string): Promise<string> =>
  ok([
    'get',
    `cloudpubsubsource/${name}`,
    '-o',
    `jsonpath={.status.conditions[?(@.type=="${type}")].${field}}`,
  ]);
async function printed(name: string): Promise<string> {
  const pods = await ok(['get', 'pods', '-l', `serving.knative.dev/service=${name}`, '-o=name']);
  const pod = pods.trim().split('\n')[0] ?? '';
  return pod === '' ? '' : (await kubectl(['logs', pod, '-c', 'user-container'])).stdout;
}

describe.skipIf(server.kind === 'missing')(
  `a CloudPubSubSource on a whole platform${missing}`,
  { timeout: 60_000 },
  () => {
    beforeAll(async () => {
      const address = server.kind === 'running' ? server.address : '';
      process.env['PUBSUB_EMULATOR_HOST'] = address;
      const clientOptions = { universeDomain: 'googleapis.com' };
      plain = new PubSub({ projectId: PROJECT, apiEndpoint: address, emulatorMode: true, clientOptions });
      sink = await subscriber((response, { headers }) => {
        const isTaken = taken.length < takenMax;
        if (isTaken) taken.push(headers['ce-id'] ?? '');
        response.writeHead(isTaken ? 204 : 503).end();
      });
      platform = await up();
      expect(await millrace(['push', 'greeter', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
      await ok(['apply'], SERVICE);
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', 'ksvc/greeter']);
    }, 60_000);
    afterAll(async () => {
      sink.close();
      await plain.close();
    });

    it('waits for its topic and says so; then a message wakes a function from zero', async () => {
      await ok(['apply'], ORDERS);
      await expect
        .poll(() => condition('orders', 'PullSubscriptionReady', 'message'), { timeout: 20_000 })
        .toContain(
          `Failed to reconcile Pub/Sub subscription: Topic "orders" does not exist in project ${PROJECT}`,
        );
      const [topic] = await plain.createTopic('orders');
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', 'cloudpubsubsource/orders']);
      expect(await printed('greeter')).toBe('');
      await topic.publishMessage({ data: Buffer.from('{"total":7}'), attributes: { tenant: 'acme' } });
      await expect
        .poll(() => printed('greeter'), { timeout: 20_000 })
        .toMatch(
          /^took google\.cloud\.pubsub\.topic\.v1\.messagePublished .*"attributes":\{"tenant":"acme"\}/m,
        );
    });

    it('shows itself to kubectl as upstream’s does', async () => {
      expect(await ok(['get', 'cloudpubsubsources'])).toMatch(
        /^NAME +READY +REASON +AGE *\norders +True +\d+s/,
      );
      const { status } = JSON.parse(await ok(['get', 'cloudpubsubsource/orders', '-o', 'json']));
      expect(status).toMatchObject({
        projectId: PROJECT,
        topicId: 'orders',
        subscriptionId: expect.stringMatching(/^cre-src_default_orders_/),
        ceAttributes: [
          {
            type: 'google.cloud.pubsub.topic.v1.messagePublished',
            source: `//pubsub.googleapis.com/projects/${PROJECT}/topics/orders`,
          },
        ],
      });
    });

    it('loses nothing to a kill while in work, and repeats what was in hand at most', async () => {
      const [topic] = await plain.createTopic('slow');
      await ok(['apply'], slow(sink.url));
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', 'cloudpubsubsource/slow']);
      const names = Array.from({ length: 300 }, (_, i) => `m-${i}`);
      const publishing = Promise.all(names.map((name) => topic.publishMessage({ data: Buffer.from(name) })));
      await expect.poll(() => sink.requests.length, { timeout: 20_000 }).toBeGreaterThan(100); // 50 taken, others in hand
      await platform.stop('SIGKILL');
      await publishing;
      takenMax = Number.POSITIVE_INFINITY;
      platform = await up();
      await expect.poll(() => new Set(taken).size, { timeout: 40_000 }).toBe(300);
      expect(taken.length - 300).toBeLessThanOrEqual(100);
      expect(sink.requests[0]?.headers['ce-team']).toBe('shop');
    });

    it('removes its subscription when it is deleted', async () => {
      const id = await ok(['get', 'cloudpubsubsource/slow', '-o', 'jsonpath={.status.subscriptionId}']);
      expect(await plain.subscription(id).exists()).toEqual([true]);
      await ok(['delete', 'cloudpubsubsource/slow', '--timeout=30s']);
      expect(await plain.subscription(id).exists()).toEqual([false]);
    });

    it('feeds what the eventing of 2018 calls a source of Pub/Sub', async () => {
      const [topic] = await plain.createTopic('then');
      await ok(
        ['apply'],
        `
apiVersion: feeds.knative.dev/v1alpha1
kind: Feed
metadata: {name: fed}
spec:
  trigger: {eventType: google.pubsub.topic.publish, resource: projects/${PROJECT}/topics/then, service: pubsub.googleapis.com}
  action: {dnsName: greeter.default.svc.cluster.local}
---
apiVersion: sources.eventing.knative.dev/v1alpha1
kind: GcpPubSubSource
metadata: {name: v02}
spec:
  googleCloudProject: ${PROJECT}
  topic: then
  gcpCredsSecret: {name: google-cloud-key, key: key.json}
  sink: {apiVersion: serving.knative.dev/v1alpha1, kind: Service, name: greeter}
`,
      );
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', 'feed/fed', 'gcppubsubsource/v02']);
      await topic.publishMessage({ data: Buffer.from('2018') });
      const data = Buffer.from('2018').toString('base64');
      const took = async (): Promise<number> =>
        (await printed('greeter')).split(`"data":"${data}"`).length - 1;
      await expect.poll(took, { timeout: 20_000 }).toBe(2); // one of each
      await ok(['delete', 'feed/fed', 'gcppubsubsource/v02', '--timeout=30s']);
      const left = (): Promise<string> => ok(['get', 'cloudpubsubsources', '-o=name']);
      await expect.poll(left, { timeout: 20_000 }).toBe('cloudpubsubsource.events.cloud.google.com/orders\n');
    });
  },
);
