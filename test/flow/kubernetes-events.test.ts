import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { aConfigMap } from '../kit/kubernetes.ts';
import { millrace, platformStarter, runFileOf, type Running } from '../kit/millrace.ts';
import { RealCluster } from '../kit/real-cluster.ts';
import { subscriber, type Request, type Subscriber } from '../kit/subscribers.ts';
import { kubeApiServer } from '../servers/kube-apiserver.ts';
import { sharedServer } from '../servers/shared.ts';

const server = await sharedServer(kubeApiServer);
const FUNCTION = {
  'index.js': "exports.handle = (context, event) => { console.log('seen', event.type); };\n",
};
const WAIT = { timeout: 30_000, interval: 100 };

/** A function that is asleep, and a subscription that wakes it. */
const sleeper = (name: string, channel: string): string => `
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: ${channel}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0'}}
    spec: {containers: [{image: watchman}]}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: ${name}}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ${channel}}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: ${name}}}
`;
const toMe = (channel: string, sink: string): string => `
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: ${channel}-to-me}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ${channel}}
  subscriber: {uri: '${sink}'}
`;
const SOURCES = `
apiVersion: sources.knative.dev/v1
kind: ApiServerSource
metadata: {name: objects}
spec:
  mode: Resource
  resources:
  - {apiVersion: v1, kind: Event}
  - {apiVersion: v1, kind: ConfigMap, selector: {matchLabels: {watched: 'yes'}}}
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: happenings}}
---
apiVersion: sources.eventing.knative.dev/v1alpha1
kind: KubernetesEventSource
metadata: {name: events-of-2018}
spec:
  namespace: default
  serviceAccountName: events-sa
  sink: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: happenings}
`;
const BROKEN = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: broken}
spec: {template: {spec: {containers: [{image: there-is-no-such-image}]}}}
`;
const elsewhere = (name: string, secret: string, channel = 'happenings'): string => `
apiVersion: v1
kind: Secret
metadata: {name: elsewhere}
stringData:
  kubeconfig: |
${secret.replace(/^/gm, '    ')}
---
apiVersion: sources.knative.dev/v1
kind: ApiServerSource
metadata:
  name: ${name}
  annotations: {sources.millrace.dev/kubeconfig-secret: elsewhere/kubeconfig}
spec:
  mode: Resource
  resources: [{apiVersion: v1, kind: ConfigMap}]
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ${channel}}}
`;

const root = temporaryFolder('kubernetes-events');
const dataDir = join(root, 'data');
const code = folderWith('watchman', FUNCTION);
const up = platformStarter();
let sink: Subscriber;
let platform: Running;
let kubectl: TestApi['kubectl'];

async function start(): Promise<void> {
  platform = await up(dataDir);
  kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
}
beforeAll(async () => {
  sink = await subscriber((response) => response.writeHead(204).end());
  await start();
  expect(await millrace(['push', 'watchman', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
  const objects = [SOURCES, sleeper('watchman', 'happenings'), toMe('happenings', sink.url)].join('---');
  expect(await kubectl(['apply'], objects)).toMatchObject({ code: 0 });
  await ready(
    'apiserversource/objects',
    'kuberneteseventsource/events-of-2018',
    'subscription/watchman',
    'ksvc/watchman',
  );
}, 60_000);
afterAll(() => sink.close());

async function ready(...names: readonly string[]): Promise<void> {
  const waited = await kubectl(['wait', '--for=condition=Ready', '--timeout=30s', ...names]);
  expect(waited).toMatchObject({ code: 0 });
}
const bodyOf = ({ body }: Request): Record<string, unknown> =>
  JSON.parse(body.toString()) as Record<string, unknown>;
const arrived = (type: string, matches: (body: Record<string, unknown>) => boolean): Request | undefined =>
  sink.requests.find((request) => request.headers['ce-type'] === type && matches(bodyOf(request)));
const nameOf = (request: Request): unknown => Reflect.get(Object(bodyOf(request)['metadata']), 'name');
const trace = (id: string): Promise<string> =>
  millrace(['trace', id, '--data-dir', dataDir]).then(({ stdout }) => stdout);

describe('events of what happens to objects, on a whole platform', { timeout: 90_000 }, () => {
  it('triggers a function when a revision has failed', async () => {
    expect(await kubectl(['apply'], BROKEN)).toMatchObject({ code: 0 });
    const hasFailed = ({ reason }: Record<string, unknown>): boolean => reason === 'LatestCreatedFailed';
    await expect.poll(() => arrived('dev.knative.apiserver.resource.add', hasFailed), WAIT).toBeDefined();
    const failure = arrived('dev.knative.apiserver.resource.add', hasFailed);
    expect(failure?.headers).toMatchObject({
      'ce-kind': 'Event',
      'ce-apiversion': 'v1',
      'ce-namespace': 'default',
    });
    expect(bodyOf(failure as Request)).toMatchObject({
      type: 'Warning',
      message: 'Latest created revision "broken-00001" has failed',
      involvedObject: { kind: 'Configuration', name: 'broken' },
    });
    await expect
      .poll(() => trace(failure?.headers['ce-id'] ?? ''), WAIT)
      .toMatch(/default\/watchman attempt 1 .* delivered 204/);
    await expect.poll(() => arrived('dev.knative.k8s.event', hasFailed), WAIT).toBeDefined();
    expect(arrived('dev.knative.k8s.event', hasFailed)?.headers['ce-source']).toBe(
      '/apis/serving.knative.dev/v1/namespaces/default/configurations/broken',
    );
  });

  it('shows itself to kubectl as upstream’s does', async () => {
    const { stdout } = await kubectl(['get', 'apiserversources']);
    expect(stdout).toMatch(
      /^NAME +SINK +AGE +READY +REASON *\nobjects +http:\S+\/channels\/default\/happenings +\d+s +True/,
    );
    const status = await kubectl(['get', 'apiserversource', 'objects', '-o', 'jsonpath={.status}']);
    expect(JSON.parse(status.stdout)).toMatchObject({
      namespaces: ['default'],
      ceAttributes: ['add', 'delete', 'update'].map((verb) => ({
        type: `dev.knative.apiserver.resource.${verb}`,
        source: 'https://kubernetes.default.svc',
      })),
      conditions: [
        { type: 'Deployed', status: 'True' },
        { type: 'OIDCIdentityCreated', status: 'True', reason: 'authentication-oidc feature disabled' },
        { type: 'Ready', status: 'True' },
        { type: 'SinkProvided', status: 'True' },
        { type: 'SufficientPermissions', status: 'True' },
      ],
    });
    const refused = await kubectl(['apply'], SOURCES.replace('mode: Resource', 'mode: Whole'));
    expect(refused.stderr).toContain(
      'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed: invalid value: Whole: spec.mode',
    );
  });

  it('loses nothing to a kill amid changes, and repeats nothing that was noted before', async () => {
    const [NOTED, COUNT] = [20, 80];
    const maps = Array.from({ length: COUNT }, (_, i) =>
      JSON.stringify(aConfigMap(`map-${i}`, { labels: { watched: 'yes' } })),
    );
    const told = () => sink.requests.filter(({ headers }) => headers['ce-kind'] === 'ConfigMap');
    const names = (): Set<unknown> => new Set(told().map(nameOf));
    expect(await kubectl(['apply'], maps.slice(0, NOTED).join('\n'))).toMatchObject({ code: 0 });
    await expect.poll(() => names().size, WAIT).toBe(NOTED);
    await expect.poll(() => bookmarks(dataDir), WAIT).toContain(`map-${NOTED - 1}`);
    const noted = new Set(told().map(({ headers }) => headers['ce-id']));

    const applying = kubectl(['apply'], maps.slice(NOTED).join('\n'));
    await expect.poll(() => names().size, WAIT).toBeGreaterThan(NOTED + 5);
    await platform.stop('SIGKILL');
    const before = told().length;
    await applying;
    await start();
    expect(await kubectl(['apply'], maps.join('\n'))).toMatchObject({ code: 0 });
    await expect.poll(() => names().size, WAIT).toBe(COUNT);
    const ids = told().map(({ headers }) => headers['ce-id']);
    expect(ids.slice(before).filter((id) => noted.has(id))).toEqual([]);
    // Of the others each may come once more from the source, and once more from the channel that was killed with it.
    expect(ids.length - new Set(ids).size).toBeLessThanOrEqual(2 * (before - noted.size));
  });

  it('says in plain words that there is no Secret, and then no kubeconfig in it', async () => {
    const manifest = elsewhere('elsewhere', 'this is no kubeconfig').split('---\n');
    const message = async (): Promise<string> =>
      (
        await kubectl([
          'get',
          'apiserversource',
          'elsewhere',
          '-o',
          'jsonpath={.status.conditions[?(@.type=="Ready")].message}',
        ])
      ).stdout;
    await kubectl(['apply'], manifest[1] ?? '');
    await expect.poll(message, WAIT).toContain('there is no key kubeconfig in Secret elsewhere');
    await kubectl(['apply'], manifest[0] ?? '');
    await expect.poll(message, WAIT).toContain('the kubeconfig cannot be used');
    expect(await message()).not.toContain('this is no kubeconfig');
  });

  it('takes the events of another millrace by its kubeconfig', async () => {
    const own = readFileSync(runFileOf(dataDir).kubeconfig, 'utf8');
    expect(await kubectl(['apply'], elsewhere('elsewhere', own))).toMatchObject({ code: 0 });
    await ready('apiserversource/elsewhere');
    const applied = await kubectl(['apply'], JSON.stringify(aConfigMap('by-https')));
    expect(applied).toMatchObject({ code: 0 });
    await expect.poll(() => sink.requests.map(nameOf), WAIT).toContain('by-https');
  });
});

/** What all sources have noted of how far they have come. */
function bookmarks(dataDir: string): string {
  const folder = join(dataDir, 'sources');
  const files = readdirSync(folder).filter((name) => name.endsWith('.bookmark'));
  return files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
}

describe.skipIf(server.kind === 'missing')('events of a real Kubernetes', { timeout: 90_000 }, () => {
  it('wake a function from zero; what the account may not do is said in the words of upstream', async () => {
    const cluster = await RealCluster.open(server.kind === 'running' ? server.address : '');
    const account = await cluster.namespace(); // a name that nobody else has
    const kubeconfig = await cluster.account('default', account);
    const objects = [
      elsewhere('real', kubeconfig, 'real'),
      sleeper('real-watchman', 'real'),
      toMe('real', sink.url),
    ].join('---');
    expect(await kubectl(['apply'], objects)).toMatchObject({ code: 0 });
    const path = '{.status.conditions[?(@.type=="SufficientPermissions")].message}';
    const condition = async (): Promise<string> =>
      (await kubectl(['get', 'apiserversource', 'real', '-o', `jsonpath=${path}`])).stdout;
    await expect
      .poll(condition, WAIT)
      .toBe(
        `User system:serviceaccount:default:${account} cannot get, list, watch resource "configmaps" in API group "" in Namespace "default"`,
      );
    await cluster.grant('default', account, 'configmaps');
    await ready(
      'apiserversource/real',
      'subscription/real-watchman',
      'subscription/real-to-me',
      'ksvc/real-watchman',
    );
    await cluster.admin.apply(aConfigMap(account));
    const found = (): Request[] => sink.requests.filter((request) => nameOf(request) === account);
    await expect.poll(() => found().length, WAIT).toBeGreaterThan(0);
    for (const { headers } of found()) expect(headers['ce-source']).toMatch(/^https:\/\//);
    // Another source may have seen something of that name; the one that is meant woke its function.
    const traces = (): Promise<string[]> =>
      Promise.all(found().map(({ headers }) => trace(headers['ce-id'] ?? '')));
    await expect.poll(async () => (await traces()).join('\n'), WAIT).toMatch(/woken from zero/);
    await cluster.admin.remove({ apiVersion: 'v1', kind: 'ConfigMap' }, 'default', account);
    await cluster.close();
  });
});
