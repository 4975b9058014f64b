import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { kafkaServer } from '../servers/kafka.ts';
import { pubsubServer } from '../servers/pubsub.ts';
import { rabbitmqServer } from '../servers/rabbitmq.ts';
import { sharedServer } from '../servers/shared.ts';

const servers = await Promise.all([kafkaServer, rabbitmqServer, pubsubServer].map(sharedServer));
const [kafka, rabbitmq, pubsub] = servers.map((each) => (each.kind === 'running' ? each.address : ''));
const missing = servers.flatMap((each) => (each.kind === 'missing' ? [each.reason] : [])).join('; ');

const KINDS = {
  kafka: { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel' },
  rabbitmq: { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'RabbitmqChannel' },
  pubsub: { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'PubSubChannel' },
} as const;
type Broker = keyof typeof KINDS;

const root = temporaryFolder('any-broker');
const dataDir = join(root, 'data');
const up = platformStarter();
const greeter = folderWith('greeter', {
  'index.mjs': `
    import { CloudEvent } from 'cloudevents';
    export const handle = (context, event) =>
      new CloudEvent({ id: 'greets-' + event.id, source: '/greeter', type: 'greeting', data: { ref: event.data.ref } });`,
});

const channel = (name: string, broker?: Broker): string => `
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: ${name}}
spec: ${broker === undefined ? '{}' : JSON.stringify({ channelTemplate: KINDS[broker] })}
---`;
const reference = (apiVersion: string, kind: string, name: string): string =>
  `{ref: {apiVersion: ${apiVersion}, kind: ${kind}, name: ${name}}}`;

/** One manifest set: a push goes to a channel, wakes a function, whose reply nobody takes, and is buried in a third channel. */
const manifests = (first: Broker | undefined, second: Broker, third: Broker, archiveUrl: string): string => `
apiVersion: v1
kind: Secret
metadata: {name: github-webhook}
stringData: {secretToken: a secret of the test}
---${channel('github', first)}${channel('greetings', second)}${channel('buried', third)}
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: repository}
spec:
  ownerAndRepository: Codertocat/Hello-World
  eventTypes: [push]
  secretToken: {secretKeyRef: {name: github-webhook, key: secretToken}}
  sink: ${reference('messaging.knative.dev/v1', 'Channel', 'github')}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: greeter}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0', autoscaling.knative.dev/window: 6s}}
    spec: {containers: [{image: greeter}]}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: greets}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: github}
  subscriber: ${reference('serving.knative.dev/v1', 'Service', 'greeter')}
  reply: ${reference('messaging.knative.dev/v1', 'Channel', 'greetings')}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: refused}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: greetings}
  subscriber: {uri: '${archiveUrl}refused'}
  delivery:
    retry: 1
    backoffPolicy: linear
    backoffDelay: PT0.1S
    deadLetterSink: ${reference('messaging.knative.dev/v1', 'Channel', 'buried')}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: archives}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: buried}
  subscriber: {uri: '${archiveUrl}archive'}
`;

let kubectl: TestApi['kubectl'];
let archive: Subscriber;

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await millrace([...args, '--data-dir', dataDir]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

describe.skipIf(missing !== '')(`one manifest set on every broker ${missing}`, () => {
  beforeAll(async () => {
    archive = await subscriber((response, { url }) =>
      response.writeHead(url === '/archive' ? 204 : 500).end(),
    );
    process.env['PUBSUB_EMULATOR_HOST'] = pubsub ?? '';
    await up(dataDir, ['--kafka', kafka ?? '', '--rabbitmq', rabbitmq ?? '', '--pubsub-project', 'flow']);
    kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    await done('push', 'greeter', greeter);
  });
  afterAll(() => archive.close());

  it.each<[string, Broker | undefined, Broker, Broker]>([
    ['on-kafka', 'kafka', 'rabbitmq', 'pubsub'],
    ['on-rabbitmq', 'rabbitmq', 'pubsub', 'kafka'],
    ['on-pubsub', 'pubsub', 'kafka', 'rabbitmq'],
    ['on-the-log', undefined, 'kafka', 'pubsub'],
  ])(
    '%s: a signed push wakes the function, its reply crosses to a second broker, and its dead letter to a third',
    async (namespace, first, second, third) => {
      await ok(['create', 'namespace', namespace]);
      await ok(['apply', '-n', namespace], manifests(first, second, third, archive.url));
      const all = ['channel/github', 'channel/greetings', 'channel/buried', 'ksvc/greeter'];
      const subscriptions = ['subscription/greets', 'subscription/refused', 'subscription/archives'];
      const named = [...all, ...subscriptions, 'githubsource/repository'];
      await ok(['wait', '-n', namespace, '--for=condition=Ready', '--timeout=30s', ...named]);
      expect(await ok(['get', 'pods', '-n', namespace, '-o', 'name'])).toBe(''); // at zero

      const sent = await done(
        'send',
        'githubsource/repository',
        '--event',
        'push',
        '-n',
        namespace,
        '-o',
        'json',
      );
      const { id } = JSON.parse(sent) as { id: string };
      const reply = `greets-${id}`;
      const archived = () =>
        archive.requests.find(({ url, headers }) => url === '/archive' && headers['ce-id'] === reply);
      await expect.poll(archived, { timeout: 20_000 }).toBeDefined();
      expect(archived()?.headers).toMatchObject({
        'ce-type': 'greeting',
        'ce-source': '/greeter',
        'ce-knativeerrorcode': '500',
        'ce-knativeerrordest': `${archive.url}refused`,
      });
      expect(JSON.parse(archived()?.body.toString() ?? '')).toEqual({ ref: 'refs/tags/simple-tag' });
      const refused = archive.requests.filter(
        ({ url, headers }) => url === '/refused' && headers['ce-id'] === reply,
      );
      expect(refused).toHaveLength(2);

      const traced = await done('trace', id);
      expect(traced).toContain(
        `accepted by ${first === undefined ? 'LogChannel' : KINDS[first].kind}/${namespace}/github`,
      );
      expect(traced).toContain('woken from zero');
      expect(await done('trace', reply)).toContain(`accepted by ${KINDS[third].kind}/${namespace}/buried`);
    },
    60_000,
  );

  it("serves Google's own Channel of another project, and what is subscribed to it", async () => {
    const google = { apiVersion: 'messaging.cloud.google.com/v1beta1', kind: 'Channel' };
    const spec = { project: 'another-project' };
    const objects = [
      { ...google, metadata: { name: 'theirs' }, spec },
      {
        apiVersion: 'messaging.knative.dev/v1',
        kind: 'Subscription',
        metadata: { name: 'reads-theirs' },
        spec: { channel: { ...google, name: 'theirs' }, subscriber: { uri: `${archive.url}archive` } },
      },
    ];
    await ok(['apply'], objects.map((object) => `---\n${JSON.stringify(object)}\n`).join(''));
    const named = ['channels.messaging.cloud.google.com/theirs', 'subscription/reads-theirs'];
    await ok(['wait', '--for=condition=Ready', '--timeout=30s', ...named]);
    const { stdout } = await kubectl(['get', 'pschan', 'theirs', '-o', 'jsonpath={.status.address.url}']);
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': 'to-google',
      'ce-source': '/shop',
      'ce-type': 'order.paid',
    };
    expect((await fetch(stdout, { method: 'POST', headers })).status).toBe(202);
    const came = () => archive.requests.some(({ headers: sent }) => sent['ce-id'] === 'to-google');
    await expect.poll(came, { timeout: 20_000 }).toBe(true);
    await ok(['delete', '--timeout=30s', ...named]);
  }, 60_000);

  it('leaves no channel behind, and no password in the process list', async () => {
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
    expect(stdout).not.toMatch(/up --data-dir .*amqp:\/\/[^ ]+:[^ ]+@/);
    for (const namespace of ['on-kafka', 'on-rabbitmq', 'on-pubsub', 'on-the-log'])
      await ok(['delete', 'subscriptions,channels', '--all', '-n', namespace, '--timeout=30s']);
    const left = () => ok(['get', 'kafkachannels,rabbitmqchannels,pubsubchannels', '-A', '-o', 'name']);
    await expect.poll(left, { timeout: 30_000 }).toBe('');
  }, 120_000);
});
