import { join } from 'node:path';
import { request } from 'undici';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter, runFileOf, type Running } from '../kit/millrace.ts';

// Manifests in the shape of Knative's documentation: its images are ours, and in the store from the start.
const root = temporaryFolder('workloads-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const EVENTING = 'gcr.io/knative-releases/knative.dev/eventing/cmd';
const WAIT = { timeout: 20_000, interval: 100 };

const DISPLAY = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: event-display}
spec:
  replicas: 1
  selector: {matchLabels: &labels {app: event-display}}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
        - {name: event-display, image: ${EVENTING}/event_display}
---
kind: Service
apiVersion: v1
metadata: {name: event-display}
spec:
  selector: {app: event-display}
  ports: [{protocol: TCP, port: 80, targetPort: 8080}]
`;
const SINK = '{ref: {apiVersion: v1, kind: Service, name: event-display}}';
const SOURCES = `
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: test-ping-source}
spec:
  schedule: '*/2 * * * * *'
  contentType: application/json
  data: '{"message": "Hello world!"}'
  sink: ${SINK}
---
apiVersion: sources.knative.dev/v1
kind: ContainerSource
metadata: {name: test-heartbeats}
spec:
  template:
    spec:
      containers:
        - image: ${EVENTING}/heartbeats:latest
          name: heartbeats
          args: [--period=1]
          env:
            - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: POD_NAMESPACE, value: event-test}
  sink: ${SINK}
`;
const appender = (name: string, message: string): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    spec:
      containers:
        - image: ${EVENTING}/appender
          env:
            - {name: MESSAGE, value: '${message}'}
            - {name: TYPE, value: appended}
---`;
const SEQUENCE = `${appender('first', ' - Handled by 0')}${appender('second', ' - Handled by 1')}
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: one}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: two}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: first}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: one}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: first}}
  reply: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: two}}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: second}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: two}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: second}}
  reply: {ref: {apiVersion: v1, kind: Service, name: event-display}}
`;
const HELLO = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containers:
        - image: ghcr.io/knative/helloworld-go:latest
          ports: [{containerPort: 8080}]
          env: [{name: TARGET, value: World}]
`;
/** A Job that posts an event as a shell would: by K_SINK, which a SinkBinding of the documentation gives it. */
const job = (name: string, kind = 'Job'): string => {
  const spec = `
  backoffLimit: 2
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: poster
          image: ghcr.io/knative/helloworld-go
          command: [curl, -sS, --fail, --retry, '3', $(SINK), -H, 'ce-specversion: 1.0', -H, 'ce-type: ${name}', -H, 'ce-source: /job', -H, 'ce-id: ${name}', -H, 'content-type: text/plain', -d, 'from ${name}', -w, 'answered %{http_code}\\n']
          env: [{name: SINK, value: '${runFileOf(dataDir).endpoints.events}/services/default/event-display'}]`;
  const nested = spec.replaceAll('\n', '\n    ');
  return kind === 'Job'
    ? `apiVersion: batch/v1\nkind: Job\nmetadata: {name: ${name}}\nspec:${spec}`
    : `apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: ${name}}\nspec:\n  schedule: '* * * * *'\n  jobTemplate:\n    spec:${nested}`;
};

let platform: Running;
beforeAll(async () => {
  platform = await start(dataDir);
}, 60_000);

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(/rror/) });
  return stdout;
}
const shown = () => ok(['logs', '-l', 'app=event-display', '--tail=-1']);

describe('the manifests of Knative’s documentation', { timeout: 90_000 }, () => {
  it('display the events of sources by a Deployment and a Service', async () => {
    await ok(['apply'], DISPLAY);
    await ok(['apply'], SOURCES);
    expect(await ok(['rollout', 'status', 'deploy/event-display', '--timeout=20s'])).toContain(
      'successfully rolled out',
    );
    await ok([
      'wait',
      '--for=condition=Ready',
      'pingsource/test-ping-source',
      'containersource/test-heartbeats',
      '--timeout=20s',
    ]);
    await expect
      .poll(shown, WAIT)
      .toMatch(
        /☁️ {2}cloudevents\.Event\nValidation: valid\nContext Attributes,\n {2}specversion: 1\.0\n {2}type: dev\.knative\.sources\.ping\n(?: {2}\w+: .*\n)+Data,\n {2}\{\n {4}"message": "Hello world!"\n {2}\}\n/,
      );
    await expect
      .poll(shown, WAIT)
      .toMatch(
        / {2}type: dev\.knative\.eventing\.samples\.heartbeat\n {2}source: https:\/\/knative\.dev\/eventing-contrib\/cmd\/heartbeats\/#event-test\/test-heartbeats-deployment-\w+-\w{5}\n(?: {2}\w+: .*\n)+Extensions,\n {2}beats: true\n {2}heart: yes\n {2}the: 42\nData,\n {2}\{\n {4}"id": \d+,\n {4}"label": ""\n {2}\}\n/,
      );
    await ok(['delete', 'pingsource/test-ping-source', 'containersource/test-heartbeats']);
  });

  it('look as on a cluster', async () => {
    expect(await ok(['get', 'deploy,rs,pods,svc,endpoints', '-l', 'app=event-display'])).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\n|^NAME +DESIRED +CURRENT +READY +AGE/,
    );
    expect(await ok(['get', 'pods', '-l', 'app=event-display'])).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE\nevent-display-\w{10}-\w{5} +1\/1 +Running +0 +\d+s\n$/,
    );
    expect(await ok(['get', 'svc,endpoints', 'event-display'])).toMatch(
      /service\/event-display +ClusterIP +127\.0\.0\.1 +<none> +80\/TCP[\s\S]*endpoints\/event-display +127\.0\.0\.1:\d+ +\d+s/,
    );
  });

  it('append to an event in a sequence of two Subscriptions', async () => {
    await ok(['apply'], SEQUENCE);
    await ok(['wait', '--for=condition=Ready', 'subscription/first', 'subscription/second', '--timeout=20s']);
    const { statusCode } = await request(`${runFileOf(dataDir).endpoints.events}/channels/default/one`, {
      method: 'POST',
      headers: {
        'ce-specversion': '1.0',
        'ce-type': 'asked',
        'ce-source': '/test',
        'ce-id': 'sequence',
        'content-type': 'application/json',
      },
      body: '{"id": 1, "message": "Hello"}',
    });
    expect(statusCode).toBe(202);
    await expect
      .poll(shown, WAIT)
      .toMatch(
        / {2}type: appended\n {2}source: \/test\n {2}id: sequence\n(?: {2}\w+: .*\n)+(?:Extensions,\n(?: {2}\w+: .*\n)+)?Data,\n {2}\{\n {4}"id": 1,\n {4}"message": "Hello - Handled by 0 - Handled by 1"\n {2}\}\n/,
      );
  });

  it('say hello', async () => {
    await ok(['apply'], HELLO);
    await ok(['wait', '--for=condition=Ready', 'ksvc/hello', '--timeout=20s']);
    const { body } = await request(runFileOf(dataDir).endpoints.gateway, {
      headers: { host: 'hello.default.localhost' },
    });
    expect(await body.text()).toBe('Hello World!\n');
  });

  it('run a Job to its end, and one of a CronJob by hand', async () => {
    await ok(['apply'], job('poster'));
    await ok(['wait', '--for=condition=complete', 'job/poster', '--timeout=20s']);
    expect(await ok(['logs', 'job/poster'])).toContain('answered 202');
    expect(await ok(['get', 'job', 'poster'])).toMatch(/poster +Complete +1\/1 +\d+s +\d+s\n$/);
    await ok(['apply'], job('often', 'CronJob'));
    await ok(['create', 'job', '--from=cronjob/often', 'by-hand']);
    await ok(['wait', '--for=condition=complete', 'job/by-hand', '--timeout=20s']);
    await expect
      .poll(shown, WAIT)
      .toMatch(/ {2}type: poster\n[\s\S]*Data,\n {2}from poster\n[\s\S]* {2}type: often\n/);
    await ok(['delete', 'cronjob/often', 'job/poster']);
    await expect.poll(async () => ok(['get', 'pods', '-l', 'job-name=poster', '-o', 'name']), WAIT).toBe('');
  });

  it('are rolled out, back and scaled', async () => {
    await ok(['rollout', 'restart', 'deploy/event-display']);
    await ok(['rollout', 'status', 'deploy/event-display', '--timeout=20s']);
    await ok(['set', 'env', 'deploy/event-display', 'NEW=yes']);
    await ok(['rollout', 'status', 'deploy/event-display', '--timeout=20s']);
    expect(await ok(['rollout', 'history', 'deploy/event-display'])).toMatch(
      /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n3 +<none>\n/,
    );
    expect(await ok(['rollout', 'undo', 'deploy/event-display', '--to-revision=2'])).toContain('rolled back');
    await ok(['rollout', 'status', 'deploy/event-display', '--timeout=20s']);
    expect(await ok(['rollout', 'history', 'deploy/event-display'])).toMatch(
      /\n1 +<none>\n3 +<none>\n4 +<none>\n/,
    );
    await ok(['scale', 'deploy/event-display', '--replicas=2']);
    await ok(['rollout', 'status', 'deploy/event-display', '--timeout=20s']);
    expect(
      (await ok(['get', 'pods', '-l', 'app=event-display', '-o', 'name'])).trim().split('\n'),
    ).toHaveLength(2);
  });

  it('are there again after a kill of the platform, each once', async () => {
    const pods = async () =>
      (await ok(['get', 'pods', '-l', 'app=event-display', '-o', 'name'])).trim().split('\n').toSorted();
    await ok([
      'run',
      'once',
      '--image=ghcr.io/knative/helloworld-go',
      '--restart=Never',
      '--command',
      '--',
      'sleep',
      '1000',
    ]);
    await ok(['wait', '--for=condition=Ready', 'pod/once', '--timeout=20s']);
    const before = await pods();
    await platform.stop('SIGKILL');
    await start(dataDir);
    await expect
      .poll(
        async () => ok(['get', 'deploy', 'event-display', '-o', 'jsonpath={.status.readyReplicas}']),
        WAIT,
      )
      .toBe('2');
    await expect
      .poll(() => ok(['get', 'pods', '-l', 'app=event-display']), WAIT)
      .toMatch(/1\/1 +Running +1 .*\n.*1\/1 +Running +1 /);
    expect(await pods()).toEqual(before);
    expect(await ok(['get', 'pod', 'once', '-o', 'jsonpath={.status.phase}: {.status.message}'])).toBe(
      'Failed: the platform stopped while it ran',
    );
  });
});
