import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueCa, issueServer, type Pair } from '../../src/apiserver/pki/issue.ts';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, type Running } from '../kit/millrace.ts';
import { makeTopic, plainKafka, plainProducer } from '../kit/plain-kafka.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { KafkaProcess, kafkaServer, kafkaTool } from '../servers/kafka.ts';

const reason = await kafkaServer.prepare();
const root = temporaryFolder('kafka-source-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const WAIT = { timeout: 30_000, interval: 100 };
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
const PAGE = readFileSync(new URL('../../docs/sources/kafka.md', import.meta.url), 'utf8');
const [ORDERS = '', CREDENTIALS = ''] = [...PAGE.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text);
const PASSWORDS = ['first-pw', 'second-pw'] as const;
const secret = (password: string, ca: Pair): string => `
apiVersion: v1
kind: Secret
metadata: {name: kafka}
stringData:
  type: SCRAM-SHA-512
  user: bob
  password: ${password}
  ca.crt: ${JSON.stringify(ca.cert)}
`;
/** Credentials as the page shows them, without the client certificate. */
const guarded = (servers: string, sink: string): string => `
apiVersion: sources.knative.dev/v1beta1
kind: KafkaSource
metadata:
  name: guarded
  labels: {kafkasources.sources.knative.dev/key-type: int}
${CREDENTIALS.split('\n')
  .filter((line) => !/^ {6}(?:cert|key):/.test(line))
  .join('\n')}
  bootstrapServers: ['${servers}']
  topics: [guarded]
  consumerGroup: guards
  ceOverrides: {extensions: {team: shop}}
  sink: {uri: '${sink}'}
`;

describe.skipIf(reason !== undefined)(
  `a KafkaSource on a whole platform (${reason ?? 'a server of its own'})`,
  { timeout: 60_000 },
  () => {
    let server: KafkaProcess;
    let ca: Pair;
    let platform: Running;
    let sink: Subscriber;
    let isAway = false;
    const taken: string[] = [];

    async function ok(args: readonly string[], input?: string): Promise<string> {
      const { code: exit, stdout, stderr } = await kubectl(args, input);
      expect({ args, exit, stderr }).toMatchObject({ exit: 0 });
      return stdout;
    }
    const ready = (name: string): Promise<string> =>
      ok(['wait', '--for=condition=Ready', '--timeout=30s', `kafkasource/${name}`]);
    const condition = (name: string, type: string): Promise<string> =>
      ok([
        'get',
        `kafkasource/${name}`,
        '-o',
        `jsonpath={.status.conditions[?(@.type=="${type}")]['status','reason','message']}`,
      ]);
    async function printed(): Promise<string> {
      const pods = await ok(['get', 'pods', '-l', 'serving.knative.dev/service=greeter', '-o=name']);
      const pod = pods.trim().split('\n')[0] ?? '';
      return pod === '' ? '' : (await kubectl(['logs', pod, '-c', 'user-container'])).stdout;
    }
    async function send(topic: string, value: string, key: Buffer | null = null): Promise<void> {
      const producer = await plainProducer(server.address);
      const headers = { 'content-type': 'application/json' };
      await producer.send({ topic, messages: [{ key, value, headers }] });
      await producer.disconnect();
    }
    async function setPassword(password: string): Promise<void> {
      const user = ['--entity-type', 'users', '--entity-name', 'bob'];
      const to = ['--add-config', `SCRAM-SHA-512=[password=${password}]`];
      const at = ['--bootstrap-server', server.address];
      await kafkaTool('kafka.admin.ConfigCommand', [...at, '--alter', ...user, ...to]);
    }

    beforeAll(async () => {
      const folder = temporaryFolder('kafka-source-server');
      mkdirSync(folder, { recursive: true });
      ca = await issueCa(Date.now());
      const own = await issueServer(ca, Date.now(), ['127.0.0.1']);
      writeFileSync(join(folder, 'own.pem'), own.key + own.cert);
      server = await KafkaProcess.make(join(folder, 'kafka'), {
        listeners: { GUARDED: 'SASL_SSL' },
        scram: [`SCRAM-SHA-512=[name=bob,password=${PASSWORDS[0]}]`],
        properties: {
          'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
          'listener.name.guarded.scram-sha-512.sasl.jaas.config':
            'org.apache.kafka.common.security.scram.ScramLoginModule required;',
          'ssl.keystore.type': 'PEM',
          'ssl.keystore.location': join(folder, 'own.pem'),
        },
      });
      await server.start();
      await makeTopic(server.address, 'guarded');
      sink = await subscriber((response, { headers, body }) => {
        if (!isAway) taken.push(`${body.toString()} ${headers['ce-key']} ${headers['ce-team']}`);
        response.writeHead(isAway ? 503 : 204).end();
      });
      platform = await start(dataDir);
      expect(await millrace(['push', 'greeter', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
      await ok(['apply'], SERVICE);
      await ok(['wait', '--for=condition=Ready', '--timeout=30s', 'ksvc/greeter']);
    }, 60_000);
    afterAll(async () => {
      sink.close();
      await server.end();
    });

    it('waits for its topic and says so; then a record wakes a function from zero', async () => {
      await ok(['apply'], ORDERS.replace('kafka.example.com:9092', server.address));
      await expect
        .poll(() => condition('orders', 'ConnectionEstablished'), WAIT)
        .toMatch(/^False TopicNotFound .*UNKNOWN_TOPIC_OR_PARTITION/);
      await makeTopic(server.address, 'orders', 2);
      await ready('orders');
      expect(await printed()).toBe('');
      await send('orders', '{"total":7}');
      await expect.poll(printed, WAIT).toMatch(/^took dev\.knative\.kafka\.event .*total.*7/m);
    });

    it('shows itself to kubectl as upstream’s does', async () => {
      expect(await ok(['get', 'kafkasources'])).toMatch(
        /^NAME +TOPICS +BOOTSTRAPSERVERS +READY +REASON +AGE *\norders +\["orders"\] +\["127\.0\.0\.1:\d+"\] +True +\d+s/,
      );
      const { spec, status } = JSON.parse(await ok(['get', 'kafkasource/orders', '-o', 'json']));
      expect(spec).toMatchObject({ consumers: 1, initialOffset: 'latest', ordering: 'ordered' });
      expect(status).toMatchObject({
        claims: 'orders: 0,1',
        consumers: 1,
        ceAttributes: [
          {
            type: 'dev.knative.kafka.event',
            source: '/apis/v1/namespaces/default/kafkasources/orders#orders',
          },
        ],
      });
    });

    it('reads over SASL and TLS, and goes on with a password that changed while it runs', async () => {
      const servers = server.addressOf('GUARDED');
      await ok(['apply'], secret('wrong-pw', ca));
      await ok(['apply'], guarded(servers, sink.url));
      await expect
        .poll(() => condition('guarded', 'ConnectionEstablished'), WAIT)
        .toMatch(/^False \w+ .*SASL|authenticat/i);
      await ok(['apply'], secret(PASSWORDS[0], ca));
      await ready('guarded');
      await send('guarded', 'one', Buffer.of(0, 0, 1, 0));
      await expect.poll(() => taken, WAIT).toEqual(['one 256 shop']);
      await setPassword(PASSWORDS[1]);
      await ok(['apply'], secret(PASSWORDS[1], ca));
      await send('guarded', 'two', Buffer.of(0, 0, 0, 2));
      await expect.poll(() => taken, WAIT).toEqual(['one 256 shop', 'two 2 shop']);
      await ready('guarded');
    });

    it('is scaled by kubectl, to none and back, and loses nothing meanwhile', async () => {
      const consumers = (): Promise<string> =>
        ok(['get', 'kafkasource/guarded', '--subresource=scale', '-o', 'jsonpath={.status.replicas}']);
      await ok(['scale', 'kafkasource/guarded', '--replicas=0']);
      await expect.poll(consumers, WAIT).toBe('0');
      taken.length = 0;
      await send('guarded', 'meanwhile', Buffer.from('k'));
      await ok(['scale', 'kafkasource/guarded', '--replicas=3']);
      await expect.poll(consumers, WAIT).toBe('3');
      await expect.poll(() => taken, WAIT).toEqual(['meanwhile k shop']);
    });

    it('keeps what a sink that is away does not take, over a kill of the platform', async () => {
      isAway = true;
      taken.length = 0;
      for (const value of ['a', 'b', 'c']) await send('guarded', value, Buffer.from('k'));
      await expect.poll(() => condition('guarded', 'SinkProvided'), WAIT).toMatch(/^False SinkRefuses .*503/);
      await platform.stop('SIGKILL');
      platform = await start(dataDir);
      isAway = false;
      await expect.poll(() => taken, WAIT).toEqual(['a k shop', 'b k shop', 'c k shop']);
    });

    it('takes its own group along when it is deleted, and leaves one that was named', async () => {
      const group = await ok(['get', 'kafkasource/orders', '-o', 'jsonpath={.spec.consumerGroup}']);
      await ok(['delete', 'kafkasource/orders', 'kafkasource/guarded']);
      const admin = plainKafka(server.address).admin();
      await admin.connect();
      const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
      await admin.disconnect();
      expect(groups).toContain('guards');
      expect(groups).not.toContain(group);
    });

    it('says no password anywhere', async () => {
      const told = [
        await ok(['get', 'kafkasources,events', '-A', '-o', 'yaml']),
        platform.stdout,
        platform.stderr,
      ];
      expect(told.join('\n')).not.toMatch(/-pw/);
    });
  },
);
