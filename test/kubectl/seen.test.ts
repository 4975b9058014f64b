import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

/** Ends when it is told to, and answers its probe badly from then on that it is told to. */
const TALKER = `
let isIll = false;
console.log('begun as ' + process.env.WHO);
require('node:http').createServer((request, response) => {
  if (request.url === '/end') { console.error('cannot reach the database'); process.exit(3); }
  if (request.url === '/ill') isIll = true;
  response.writeHead(request.url === '/healthz' && isIll ? 500 : 200).end('ok');
}).listen(process.env.PORT);
`;
const WAIT = { timeout: 15_000 };

const root = temporaryFolder('seen');
const dataDir = join(root, 'data');
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const image = folderWith('seen', { 'talker.js': TALKER });
  await millrace(['push', 'talker', image, '--command', 'exec node talker.js', '--data-dir', dataDir]);
}, 30_000);
afterAll(() => platform.close(0));

const out = async (...args: readonly string[]): Promise<string> => (await kubectl(args)).stdout;
const service = (name: string, containers: readonly object[]): Promise<unknown> =>
  kubectl(
    ['apply'],
    JSON.stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name },
      spec: {
        template: {
          metadata: { annotations: { 'autoscaling.knative.dev/min-scale': '1' } },
          spec: { containers },
        },
      },
    }),
  );
const talker = (who: string, more: object = {}): object => ({
  image: 'talker',
  env: [{ name: 'WHO', value: who }],
  ...more,
});
const ask = async (name: string, path: string): Promise<number> => {
  const headers = { host: `${name}.default.localhost` };
  const { statusCode, body } = await request(`${platform.endpoints.gateway}${path}`, { headers });
  await body.dump();
  return statusCode;
};
const podOf = (name: string): Promise<string> =>
  out('get', 'pods', '-l', `serving.knative.dev/service=${name}`, '-o', 'jsonpath={.items[0].metadata.name}');
const conditions = '{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\\n"}{end}';

describe('an operator', () => {
  it('follows a Service until it is ready, and finds in describe what was made for it', async () => {
    const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
    const watching = spawn('kubectl', ['get', 'ksvc', '-w'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    let seen = '';
    watching.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
    await service('talk', [
      talker('a', { name: 'a', ports: [{ containerPort: 8080 }] }),
      talker('b', { name: 'b' }),
    ]);
    await expect.poll(() => seen, WAIT).toMatch(/^talk +\S+ +talk-00001 +talk-00001 +True *$/m);
    watching.kill();
    expect(seen).toMatch(/^NAME +URL +LATESTCREATED +LATESTREADY +READY +REASON *$/m);
    expect(await out('describe', 'ksvc', 'talk')).toMatch(
      /Events:\n[^\n]+\n[^\n]+\n +Normal +Created +\S+ +service-controller +Created Configuration "talk"\n/,
    );
    expect(await out('describe', 'revision', 'talk-00001')).toMatch(
      /Normal +RevisionReady +\S+ +revision-controller +Revision becomes ready upon all resources being ready\n/,
    );
    const route = await out('describe', 'route', 'talk');
    for (const said of ['FinalizerUpdate', 'Created placeholder service "talk"', 'Created Ingress "talk"'])
      expect(route).toContain(said);
  }, 20_000);

  it('reads what each container said, of all Pods of a Service, and each by its name', async () => {
    const pod = await podOf('talk');
    const all = await out('logs', '-l', 'serving.knative.dev/service=talk', '--prefix', '--all-containers');
    // kubectl takes the containers in no order.
    expect(new Set(all.trim().split('\n'))).toEqual(
      new Set(['a', 'b'].map((name) => `[pod/${pod}/${name}] begun as ${name}`)),
    );
    expect(await out('logs', pod)).toBe('begun as a\n');
    expect(await out('logs', 'deploy/talk-00001-deployment', '-c', 'b')).toBe('begun as b\n');
  });

  it('finds why a container ended, in its Pod, its Revision and the log of the run before', async () => {
    const pod = await podOf('talk');
    expect(await ask('talk', '/end')).toBe(502);
    await expect
      .poll(() => out('logs', pod, '-c', 'a', '--previous'), WAIT)
      .toBe('begun as a\ncannot reach the database\n');
    await expect.poll(() => out('describe', 'pod', pod), WAIT).toMatch(/Exit Code: +3/);
    await expect
      .poll(() => out('get', 'events', '--field-selector', `involvedObject.name=${pod}`), WAIT)
      .toMatch(/Warning +BackOff +pod\/\S+ +Back-off restarting failed container a in pod /);
    const told = (): Promise<string> => out('describe', 'pod', pod);
    await expect.poll(told, WAIT).toMatch(/Normal +Started .* kubelet +Started container a\n/);
    expect(await told()).toMatch(
      /Normal +Scheduled +\S+ +default-scheduler +Successfully assigned default\/talk-\S+ to millrace\n/,
    );
  }, 20_000);

  it('is told by the Pod what its probe says', async () => {
    const httpGet = { path: '/healthz' };
    const livenessProbe = { httpGet, periodSeconds: 1, failureThreshold: 2 };
    await service('ill', [talker('ill', { livenessProbe })]);
    await kubectl(['wait', '--for=condition=Ready', '--timeout=20s', 'ksvc/ill']);
    const pod = await podOf('ill');
    expect(await ask('ill', '/ill')).toBe(200);
    const told = (): Promise<string> => out('describe', 'pod', pod);
    await expect
      .poll(told, WAIT)
      .toMatch(
        /Warning +Unhealthy .* kubelet +Liveness probe failed: HTTP probe failed with statuscode: 500\n/,
      );
    await expect
      .poll(told, WAIT)
      .toMatch(
        /Normal +Killing .* kubelet +Container user-container failed liveness probe, will be restarted\n/,
      );
  }, 30_000);

  it('finds what is not ready, why, and what to do, in the Service and in millrace status', async () => {
    const valueFrom = { secretKeyRef: { name: 'vault', key: 'word' } };
    await service('poor', [{ image: 'talker', env: [{ name: 'WHO', valueFrom }] }]);
    await service('bare', [{ image: 'no-such-image' }]);
    const why = 'key word of Secret default/vault is not there: there is no such Secret; make it with: ';
    const next = 'kubectl create secret generic vault -n default --from-literal=word=VALUE';
    await expect
      .poll(() => out('get', 'ksvc', 'poor', '-o', `jsonpath=${conditions}`), WAIT)
      .toContain(`Revision "poor-00001" failed with message: ${why}${next}`);
    await expect
      .poll(() => out('get', 'ksvc', 'bare', '-o', `jsonpath=${conditions}`), WAIT)
      .toContain('push it with: millrace push no-such-image PATH');
    expect(await out('get', 'ksvc', 'bare', '-o', `jsonpath=${conditions}`)).toContain(
      'Its condition Ready says why: kubectl describe configuration bare -n default',
    );
    const { stdout } = await millrace(['status', '--data-dir', dataDir]);
    expect(stdout).toContain(
      `  not ready: Service default/poor: Revision "poor-00001" failed with message: ${why}`,
    );
    expect(stdout).toMatch(/^ {2}not ready: Service default\/bare: .*millrace push no-such-image PATH/m);
    expect(stdout).not.toContain('not ready: Service default/talk');
    expect(stdout).not.toContain('not ready: Revision'); // its Service tells
    const template = {
      metadata: { labels: { app: 'lone' } },
      spec: { containers: [{ name: 'm', image: 'none' }] },
    };
    const spec = { selector: { matchLabels: { app: 'lone' } }, template };
    const lone = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'lone' }, spec };
    expect(await kubectl(['apply'], JSON.stringify(lone))).toMatchObject({ code: 0 });
    await expect
      .poll(async () => (await millrace(['status', '--data-dir', dataDir])).stdout, WAIT)
      .toMatch(
        /^ {2}not ready: Pod default\/lone-\S+: Unable to fetch image "none": .*millrace push none PATH/m,
      );
    await expect
      .poll(() => out('logs', '-n', 'knative-serving', '-l', 'app=controller', '--tail=-1'), WAIT)
      .toMatch(
        /warn {2}Service default\/bare is not ready: Revision "bare-00001" failed with message: .*push it with: millrace push no-such-image PATH.* reason=RevisionFailed$/m,
      );
    expect(await kubectl(['create', 'secret', 'generic', 'vault', '--from-literal=word=x'])).toMatchObject({
      code: 0,
    });
    expect(await kubectl(['wait', '--for=condition=Ready', '--timeout=20s', 'ksvc/poor'])).toMatchObject({
      code: 0,
    });
  }, 30_000);

  it('sees a function that Events wake rest again: its own coming and going wakes nobody', async () => {
    const code = folderWith('watcher', { 'index.js': 'exports.handle = () => undefined;' });
    await millrace(['push', 'watcher', code, '--data-dir', dataDir]);
    const annotations = {
      'autoscaling.knative.dev/window': '6s',
      'autoscaling.knative.dev/initial-scale': '0',
    };
    const sink = { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'watcher' } };
    const objects = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'quiet' } },
      {
        apiVersion: 'serving.knative.dev/v1',
        kind: 'Service',
        metadata: { name: 'watcher', namespace: 'quiet' },
        spec: { template: { metadata: { annotations }, spec: { containers: [{ image: 'watcher' }] } } },
      },
      {
        apiVersion: 'sources.knative.dev/v1',
        kind: 'ApiServerSource',
        metadata: { name: 'events', namespace: 'quiet' },
        spec: { mode: 'Resource', resources: [{ apiVersion: 'v1', kind: 'Event' }], sink },
      },
    ];
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    expect(await kubectl(['apply'], JSON.stringify(list))).toMatchObject({ code: 0 });
    const ready = ['wait', '-n', 'quiet', '--for=condition=Ready', '--timeout=20s', 'apiserversource/events'];
    expect(await kubectl(ready)).toMatchObject({ code: 0 });
    const happening = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'of-interest', namespace: 'quiet' },
      involvedObject: { kind: 'ConfigMap', name: 'x', namespace: 'quiet' },
      reason: 'Told',
      message: 'something has happened',
      type: 'Normal',
    };
    expect(await kubectl(['create'], JSON.stringify(happening))).toMatchObject({ code: 0 });
    const said = (): Promise<string> => out('get', 'events', '-n', 'quiet', '--no-headers');
    await expect.poll(said, WAIT).toMatch(/Started +pod\/watcher-00001-/);
    await expect
      .poll(said, { timeout: 30_000 })
      .toMatch(/Killing +pod\/watcher-00001-\S+ +Stopping container/);
    const scaled = (await said()).split('\n').filter((line) => line.includes('pod/watcher-00001-'));
    expect(scaled).toHaveLength(5); // one coming and one going
    expect((await kubectl(['get', 'pods', '-n', 'quiet'])).stderr).toMatch(/^No resources found/);
  }, 60_000);
});
