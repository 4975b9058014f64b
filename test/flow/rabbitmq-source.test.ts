import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { makeCa, makeServerCertificate } from '../kit/certificates.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter, type Running } from '../kit/millrace.ts';
import { PlainRabbitmq } from '../kit/plain-rabbitmq.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { freePort } from '../servers/processes.ts';
import { RabbitmqNode, rabbitmqServer } from '../servers/rabbitmq.ts';

const reason = await rabbitmqServer.prepare();
const WAIT = { timeout: 30_000, interval: 50 };
const PARALLELISM = 10;

describe.skipIf(reason !== undefined)(
  `a RabbitmqSource on a whole platform ${reason ?? ''}`,
  { timeout: 90_000 },
  () => {
    const root = temporaryFolder('rabbitmq-flow');
    const dataDir = join(root, 'data');
    const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    const start = platformStarter();
    let node: RabbitmqNode;
    let tlsPort: number;
    let ca: string;
    let plain: PlainRabbitmq;
    let sink: Subscriber;
    let platform: Running;
    let answerAfterMs = 0;

    const secret = (password: string): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'rabbit', namespace: 'default' },
        stringData: {
          uri: `amqps://localhost:${tlsPort}/shop`,
          username: 'reader',
          password,
          'ca.crt': ca,
        },
      });
    const manifest = (): string => `
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: orders}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: to-me}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}
  subscriber: {uri: '${sink.url}'}
---
apiVersion: sources.knative.dev/v1alpha1
kind: RabbitmqSource
metadata: {name: orders}
spec:
  rabbitmqClusterReference: {connectionSecret: {name: rabbit}}
  rabbitmqResourcesConfig: {exchangeName: orders, queueName: orders-in}
  ceOverrides: {extensions: {team: shop}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}}
---
apiVersion: sources.knative.dev/v1alpha1
kind: RabbitmqSource
metadata: {name: wide}
spec:
  rabbitmqClusterReference: {connectionSecret: {name: rabbit}}
  rabbitmqResourcesConfig: {exchangeName: wide, queueName: wide-in, parallelism: ${PARALLELISM}}
  sink: {uri: '${sink.url}wide'}
`;
    const named = (): string => `
apiVersion: sources.knative.dev/v1alpha1
kind: RabbitmqSource
metadata: {name: named}
spec:
  rabbitmqClusterReference: {name: whichever}
  rabbitmqResourcesConfig: {queueName: theirs, predeclared: true}
  delivery: {retry: 2, backoffPolicy: linear, backoffDelay: PT0.05S}
  sink: {uri: '${sink.url}busy'}
`;
    const channels = (): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'rabbitmq-channel-config', namespace: 'knative-eventing' },
        data: { uri: `amqp://127.0.0.1:${node.port}/shop` },
      });

    beforeAll(async () => {
      ca = makeCa(root, 'ca');
      makeServerCertificate(root);
      tlsPort = await freePort();
      node = await RabbitmqNode.make(join(root, 'node'), [
        `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
        `ssl_options.cacertfile = ${join(root, 'ca.pem')}`,
        `ssl_options.certfile = ${join(root, 'server.pem')}`,
        `ssl_options.keyfile = ${join(root, 'server.key')}`,
        'ssl_options.verify = verify_none',
        'ssl_options.fail_if_no_peer_cert = false',
      ]);
      await node.start();
      await node.control('add_vhost', 'shop');
      await node.control('add_user', 'reader', 'first-word');
      for (const user of ['reader', 'guest'])
        await node.control('set_permissions', '-p', 'shop', user, '.*', '.*', '.*');
      plain = await PlainRabbitmq.open(`${node.address}/shop`);
      sink = await subscriber((response, { url }) => {
        const code = url === '/busy' ? 503 : 204;
        setTimeout(() => response.writeHead(code).end(), answerAfterMs);
      });
      platform = await start(dataDir);
      expect(await kubectl(['apply'], secret('first-word'))).toMatchObject({ code: 0 });
      expect(await kubectl(['apply'], manifest())).toMatchObject({ code: 0 });
      await ready();
    }, 120_000);
    afterAll(async () => {
      sink.close();
      await plain.close();
      await node.end();
    });

    const ready = async (): Promise<void> => {
      const sources = ['rabbitmqsource/orders', 'rmqsource/wide', 'subscription/to-me'];
      const waited = await kubectl(['wait', '--for=condition=Ready', ...sources, '--timeout=30s']);
      expect(waited.stderr).toBe('');
    };
    const bodiesAt = (url: string): string[] =>
      sink.requests.filter((request) => request.url === url).map(({ body }) => body.toString());
    const status = async (): Promise<string> =>
      (await kubectl(['get', 'rabbitmqsource/orders', '-o', 'jsonpath={.status.conditions}'])).stdout;

    it('brings a message over TLS, as a user of its Secret, through a channel to a subscriber', async () => {
      await plain.publish('orders', 'placed', '{"n":1}', {
        messageId: 'm-1',
        contentType: 'application/json',
      });
      await expect.poll(() => sink.requests.length, WAIT).toBe(1);
      expect(sink.requests[0]?.headers).toMatchObject({
        'ce-id': 'm-1',
        'ce-type': 'dev.knative.rabbitmq.event',
        'ce-source': '/apis/v1/namespaces/default/rabbitmqsources/orders#orders-in',
        'ce-team': 'shop',
        'content-type': 'application/json',
      });
      expect(await node.control('list_connections', 'user', 'vhost', 'ssl')).toBe(
        'user\tvhost\tssl\nguest\tshop\tfalse\nreader\tshop\ttrue\n', // both sources share one
      );
      expect(await node.control('list_queues', '-p', 'shop', 'name', 'type')).toContain('orders-in\tquorum');
      const readers = await node.control('list_consumers', '-p', 'shop', 'queue_name', 'prefetch_count');
      expect(readers.split('\n').toSorted()).toEqual(
        expect.arrayContaining(['orders-in\t1', `wide-in\t${PARALLELISM}`]),
      );
    });

    it('shows itself to kubectl as upstream’s does', async () => {
      expect((await kubectl(['get', 'rmqsource'])).stdout).toMatch(
        /^NAME +AGE *\norders +\d+s\nwide +\d+s\n/,
      );
      const conditions = [...(await status()).matchAll(/"type":"(\w+)"/g)].map(([, type]) => type);
      expect(conditions).toEqual([
        'Deployed',
        'ExchangeReady',
        'Ready',
        'ResourcesReady',
        'SecretReady',
        'SinkProvided',
      ]);
      const attributes = ['get', 'rmqsource/orders', '-o', 'jsonpath={.status.ceAttributes}'];
      expect((await kubectl(attributes)).stdout).toBe(
        '[{"source":"/apis/v1/namespaces/default/rabbitmqsources/orders#orders-in","type":"dev.knative.rabbitmq.event"}]',
      );
      const changed = manifest().replace('queueName: orders-in', 'queueName: others-in');
      expect((await kubectl(['apply'], changed)).stderr).toContain(
        'admission webhook "validation.webhook.rabbitmq.sources.knative.dev" denied the request: validation failed: Immutable fields changed',
      );
    });

    it('says that its password is no good any more, and goes on with the next, without a restart', async () => {
      await node.control('change_password', 'reader', 'second-word');
      await node.control('close_all_connections', '-p', 'shop', 'rotated');
      await plain.close().catch(() => undefined);
      plain = await PlainRabbitmq.open(`${node.address}/shop`);
      await plain.publish('orders', '', 'meanwhile');
      await expect.poll(status, WAIT).toMatch(/"BrokerRefused".*"status":"False","type":"Deployed"/);
      expect(await status()).toMatch(/ACCESS.REFUSED.*\(user reader, virtual host shop\)/);
      const all = await kubectl(['get', 'rmqsource,events', '-o', 'yaml']);
      expect(all.stdout).not.toMatch(/first-word|second-word/);
      expect(await kubectl(['apply'], secret('second-word'))).toMatchObject({ code: 0 });
      await ready();
      await expect.poll(() => bodiesAt('/').at(-1), WAIT).toBe('meanwhile');
      expect(platform.stdout + platform.stderr).not.toMatch(/first-word|second-word/);
    });

    it('reads from the RabbitMQ of the channels, and gives up as its delivery says: the queue’s dead letters have it', async () => {
      expect(await kubectl(['apply'], named())).toMatchObject({ code: 0 });
      const condition = ['get', 'rmqsource/named', '-o', 'jsonpath={.status.conditions}'];
      const said = async (): Promise<string> => (await kubectl(condition)).stdout;
      await expect.poll(said, WAIT).toMatch(/"SecretMissing".*"status":"False","type":"SecretReady"/);
      expect(await kubectl(['apply'], channels())).toMatchObject({ code: 0 });
      await expect.poll(said, WAIT).toMatch(/"QueueNotFound"/);
      for (const queue of ['theirs', 'graves'])
        await plain.run((channel) =>
          channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } }),
        );
      await plain.run((channel) => channel.assertExchange('dead', 'fanout'));
      await plain.run((channel) => channel.bindQueue('graves', 'dead', ''));
      await node.control('set_policy', '-p', 'shop', 'dead', '^theirs$', '{"dead-letter-exchange":"dead"}');
      const isReady = ['wait', '--for=condition=Ready', 'rmqsource/named', '--timeout=40s'];
      expect(await kubectl(isReady)).toMatchObject({ code: 0 });
      await plain.publish('', 'theirs', 'poison');
      await expect.poll(async () => (await plain.count('graves'))?.ready, WAIT).toBe(1);
      expect(bodiesAt('/busy')).toEqual(['poison', 'poison', 'poison']);
      expect((await plain.count('theirs'))?.ready).toBe(0);
    });

    it('loses nothing to a kill while messages are in work, and repeats no more than were in hand', async () => {
      answerAfterMs = 20;
      const names = Array.from({ length: 200 }, (_, i) => `${i}`);
      for (const name of names) await plain.publish('wide', '', name);
      await expect.poll(() => bodiesAt('/wide').length, WAIT).toBeGreaterThan(40);
      await platform.stop('SIGKILL');
      platform = await start(dataDir);
      await expect.poll(() => new Set(bodiesAt('/wide')).size, WAIT).toBe(names.length);
      await expect.poll(async () => (await plain.count('wide-in'))?.ready, WAIT).toBe(0);
      expect(bodiesAt('/wide').length - names.length).toBeLessThanOrEqual(PARALLELISM);
    });

    it('goes on after the broker was killed and came back', async () => {
      await ready();
      await plain.publish('orders', '', 'before the cut');
      await node.kill();
      await expect.poll(status, WAIT).toContain('"BrokerUnreachable"');
      await node.start();
      plain = await PlainRabbitmq.open(`${node.address}/shop`);
      await plain.publish('orders', '', 'after the cut');
      await expect.poll(() => bodiesAt('/').at(-1), WAIT).toBe('after the cut');
      expect(bodiesAt('/')).toContain('before the cut');
    });

    it('takes with it what it has made', async () => {
      await ready();
      expect(await kubectl(['delete', 'rmqsource', '--all', '--timeout=30s'])).toMatchObject({ code: 0 });
      expect(await node.control('list_queues', '-p', 'shop', 'name')).not.toMatch(/-in/);
      expect(await node.control('list_exchanges', '-p', 'shop', 'name')).not.toMatch(/orders|wide/);
      expect(await node.control('list_connections', 'user')).not.toContain('reader');
    });
  },
);
