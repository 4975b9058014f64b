import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter, runFileOf, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { kafkaServer } from '../servers/kafka.ts';
import { pubsubServer } from '../servers/pubsub.ts';
import { rabbitmqServer } from '../servers/rabbitmq.ts';
import { sharedServer } from '../servers/shared.ts';

const servers = await Promise.all([kafkaServer, rabbitmqServer, pubsubServer].map(sharedServer));
const [kafka = '', rabbitmq = '', pubsub = ''] = servers.map((each) =>
  each.kind === 'running' ? each.address : '',
);
const missing = servers.flatMap((each) => (each.kind === 'missing' ? [each.reason] : [])).join('; ');

const BUSES = [
  ['kafka', 'KafkaChannel'],
  ['rabbitmq', 'RabbitmqChannel'],
  ['gcppubsub', 'PubSubChannel'],
] as const;
const WAIT = { timeout: 30_000, interval: 100 };

/** As people wrote them in July 2018. */
const onBus = (bus: string, url: string): string => `
apiVersion: channels.knative.dev/v1alpha1
kind: Bus
metadata: {name: ${bus}}
spec:
  dispatcher: {name: dispatcher, image: github.com/knative/eventing/pkg/buses/${bus}/dispatcher}
  provisioner: {name: provisioner, image: github.com/knative/eventing/pkg/buses/${bus}/provisioner}
---
apiVersion: channels.knative.dev/v1alpha1
kind: Channel
metadata: {name: on-${bus}}
spec: {bus: ${bus}}
---
apiVersion: channels.knative.dev/v1alpha1
kind: Subscription
metadata: {name: on-${bus}}
spec: {channel: on-${bus}, subscriber: '${url}'}
`;

const root = temporaryFolder('buses-of-2018');
const dataDir = join(root, 'data');
const up = platformStarter();
let kubectl: TestApi['kubectl'];
let me: Subscriber;
let platform: Running;

async function start(): Promise<void> {
  platform = await up(dataDir, ['--kafka', kafka, '--rabbitmq', rabbitmq, '--pubsub-project', 'of-2018']);
  kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
}

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

/** To the name that the channel had then. */
function publish(channel: string, id: string): Promise<number> {
  const { hostname, port } = new URL(runFileOf(dataDir).endpoints.events);
  const host = `${channel}-channel.default.svc.cluster.local`;
  const headers = { host, 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/then', 'ce-type': 'aloha' };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method: 'POST', path: '/', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end('hello');
  });
}
const taken = (bus: string): string[] =>
  me.requests.map(({ headers }) => headers['ce-id'] ?? '').filter((id) => id.startsWith(bus));

describe.skipIf(missing !== '')(
  `the buses of July 2018 on their brokers ${missing}`,
  { timeout: 90_000 },
  () => {
    beforeAll(async () => {
      me = await subscriber((response) => response.writeHead(204).end());
      process.env['PUBSUB_EMULATOR_HOST'] = pubsub;
      await start();
      for (const [bus] of BUSES) await ok(['apply'], onBus(bus, me.url));
    });
    afterAll(() => me.close());

    it.each(BUSES)(
      'an event through a Channel of Bus %s is kept in a %s, and reaches its subscriber',
      async (bus, kind) => {
        await ok([
          'wait',
          '--for=condition=Ready',
          '--timeout=30s',
          `channels.messaging.knative.dev/on-${bus}`,
          `subscriptions.messaging.knative.dev/on-${bus}`,
        ]);
        expect(await ok(['get', kind, '-o', 'name'])).toContain(`/on-${bus}`);
        expect(await publish(`on-${bus}`, `${bus}-1`)).toBe(202);
        await expect.poll(() => taken(bus), WAIT).toEqual([`${bus}-1`]);
        expect(me.requests.at(-1)?.body.toString()).toBe('hello');
      },
    );

    it('what they have taken survives a kill of the platform', async () => {
      for (const [bus] of BUSES) expect(await publish(`on-${bus}`, `${bus}-2`)).toBe(202);
      await platform.stop('SIGKILL');
      await start();
      for (const [bus] of BUSES)
        await expect.poll(() => new Set(taken(bus)), WAIT).toEqual(new Set([`${bus}-1`, `${bus}-2`]));
    });
  },
);
