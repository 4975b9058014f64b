import { join } from 'node:path';
import { request } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';

const root = temporaryFolder('eventing-of-2018');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const code = folderWith('legit', {
  'index.js': 'exports.handle = (context, event) => { console.log(`took ${event.type} ${event.id}`); };\n',
});

const service = (name: string): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0'}}
    spec: {containers: [{image: legit}]}
`;
/** As people wrote them in July 2018; without an access token, so that nothing is registered at GitHub. */
const SECRET = `
apiVersion: v1
kind: Secret
metadata: {name: githubsecret}
stringData: {githubCredentials: '{"secretToken": "hidden"}'}
`;
const trigger = (eventType: string): string => `
  trigger:
    eventType: ${eventType}
    resource: Codertocat/Hello-World
    service: github
    parametersFrom: [{secretKeyRef: {name: githubsecret, key: githubCredentials}}]`;
const onBus = (name: string, bus: string): string => `
apiVersion: channels.knative.dev/v1alpha1
kind: Bus
metadata: {name: ${bus}}
spec: {dispatcher: {name: dispatcher, image: github.com/knative/eventing/pkg/buses/${bus}/dispatcher}}
---
apiVersion: channels.knative.dev/v1alpha1
kind: Channel
metadata: {name: ${name}}
spec: {bus: ${bus}}
---
apiVersion: channels.knative.dev/v1alpha1
kind: Subscription
metadata: {name: ${name}}
spec: {channel: ${name}, subscriber: ${name}}
---
apiVersion: feeds.knative.dev/v1alpha1
kind: Feed
metadata: {name: ${name}}
spec:${trigger('pullrequest')}
  action: {dnsName: ${name}-channel.default.svc.cluster.local}
`;
const FLOW = `
apiVersion: flows.knative.dev/v1alpha1
kind: Flow
metadata: {name: github-flow}
spec:
  serviceAccountName: feed-sa${trigger('dev.knative.github.pullrequest')}
  action: {target: {kind: Route, apiVersion: serving.knative.dev/v1alpha1, name: by-flow}}
`;
const K8S_FLOW = `
apiVersion: flows.knative.dev/v1alpha1
kind: Flow
metadata: {name: k8s-events}
spec:
  serviceAccountName: feed-sa
  trigger:
    eventType: dev.knative.k8s.event
    resource: k8sevents/receiveevent
    service: k8sevents
    parameters: {namespace: default}
  action: {target: {kind: Route, apiVersion: serving.knative.dev/v1alpha1, name: by-k8s}}
`;
const V02 = `
apiVersion: eventing.knative.dev/v1alpha1
kind: Channel
metadata: {name: v02}
spec: {provisioner: {apiVersion: eventing.knative.dev/v1alpha1, kind: ClusterChannelProvisioner, name: in-memory-channel}}
---
apiVersion: eventing.knative.dev/v1alpha1
kind: Subscription
metadata: {name: v02}
spec:
  channel: {apiVersion: eventing.knative.dev/v1alpha1, kind: Channel, name: v02}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1alpha1, kind: Service, name: v02}}
`;
const SERVICES = ['on-stub', 'on-log', 'by-flow', 'by-k8s', 'v02'];

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code: exit, stdout, stderr } = await kubectl(args, input);
  expect({ args, exit, stderr }).toMatchObject({ exit: 0, stderr: expect.not.stringContaining('error') });
  return stdout;
}
const ready = (...what: string[]): Promise<string> =>
  ok(['wait', '--for=condition=Ready', '--timeout=30s', ...what]);
const pods = (name: string): Promise<string> =>
  ok(['get', 'pods', '-l', `serving.knative.dev/service=${name}`, '-o=name']);

/** What the function of a service has printed; it is at zero before, so the first line is from a fresh instance. */
async function printed(name: string): Promise<string> {
  const pod = (await pods(name)).trim().split('\n')[0] ?? '';
  return pod === '' ? '' : (await kubectl(['logs', pod, '-c', 'user-container'])).stdout;
}

async function pullRequest(source: string): Promise<string> {
  const sent = await millrace([
    'send',
    `githubsource/${source}`,
    '--event',
    'pull_request',
    '--data-dir',
    dataDir,
  ]);
  expect(sent).toMatchObject({ code: 0 });
  return /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(sent.stdout)?.[0] ?? sent.stdout;
}

beforeAll(async () => {
  await start(dataDir);
  expect(await millrace(['push', 'legit', code, '--data-dir', dataDir])).toMatchObject({ code: 0 });
  await ok(['apply'], [SECRET, ...SERVICES.map(service)].join('---\n'));
  await ready(...SERVICES.map((name) => `ksvc/${name}`));
}, 60_000);

describe('what people applied in 2018', { timeout: 60_000 }, () => {
  it.each([
    ['stub', 'on-stub', 'inmemorychannel'],
    ['ours', 'on-log', 'logchannel'],
  ])(
    'a Feed of GitHub through a Channel on the bus %s wakes a function from zero',
    async (bus, name, kept) => {
      await ok(['apply'], onBus(name, bus));
      await ready(`feed/${name}`, `subscriptions.channels.knative.dev/${name}`, `buses/${bus}`);
      expect(await ok(['get', kept, '-o=name'])).toContain(`/${name}`);
      expect(await pods(name)).toBe('');
      const id = await pullRequest(name);
      await expect
        .poll(() => printed(name), { timeout: 20_000 })
        .toContain(`took dev.knative.source.github.pull_request ${id}`);
    },
  );

  it('a Flow brings GitHub’s pull requests to a Route', async () => {
    await ok(['apply'], FLOW);
    await ready('flow/github-flow');
    expect(await pods('by-flow')).toBe('');
    const id = await pullRequest('github-flow');
    await expect.poll(() => printed('by-flow'), { timeout: 20_000 }).toContain(id);
  });

  it('a Flow brings the events of Kubernetes to a Route', async () => {
    await ok(['apply'], K8S_FLOW);
    await ready('flow/k8s-events', 'kuberneteseventsources/k8s-events');
    await ok(['apply'], service('news'));
    await expect.poll(() => printed('by-k8s'), { timeout: 20_000 }).toContain('took dev.knative.k8s.event ');
  });

  it('a Channel of Knative 0.2 answers at its host name of then', async () => {
    await ok(['apply'], V02);
    await ready('channels.eventing.knative.dev/v02', 'subscriptions.eventing.knative.dev/v02');
    const host = await ok([
      'get',
      'channels.eventing.knative.dev/v02',
      '-o=jsonpath={.status.address.hostname}',
    ]);
    expect(host).toBe('v02-channel.default.svc.cluster.local');
    expect(await publishAt(host, 'by-host')).toBe(202);
    await expect.poll(() => printed('v02'), { timeout: 20_000 }).toContain('took order.paid by-host');
  });
});

/** Sends an event to the listener for events, by a host name that only it knows. */
function publishAt(host: string, id: string): Promise<number | undefined> {
  const headers = {
    host,
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/shop',
    'ce-type': 'order.paid',
  };
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, agent: false } as const;
    request(`${runFileOf(dataDir).endpoints.events}/`, options, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}
