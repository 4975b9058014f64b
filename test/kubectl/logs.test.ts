import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { SERVER } from '../kit/local-runtime.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('logs');
const dataDir = join(root, 'data');
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
let pod: string;
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const image = folderWith('logs', { 'server.js': SERVER });
  await millrace(['push', 'logs', image, '--command', 'exec node server.js', '--data-dir', dataDir]);
  const command = 'echo one; echo two >&2; sleep 0.3; echo three; exec node server.js';
  const container = { image: 'logs', command: ['sh', '-c', command] };
  const annotations = { 'autoscaling.knative.dev/min-scale': '1' };
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'wordy' },
    spec: { template: { metadata: { annotations }, spec: { containers: [container] } } },
  };
  await kubectl(['apply'], JSON.stringify(manifest));
  await kubectl(['wait', '--for=condition=Ready', '--timeout=20s', 'ksvc/wordy']);
  pod = (await kubectl(['get', 'pods', '-o', 'jsonpath={.items[0].metadata.name}'])).stdout;
}, 30_000);
afterAll(() => platform.close(0));

const logs = async (...args: readonly string[]): Promise<string> =>
  (await kubectl(['logs', pod, '-c', 'user-container', ...args])).stdout;

describe('kubectl logs', () => {
  it('takes the options of kubectl', async () => {
    expect(await logs()).toBe('one\ntwo\nthree\n');
    expect(await logs('--tail=1')).toBe('three\n');
    expect(await logs('--limit-bytes=5')).toBe('one\nt');
    expect(await logs('--since=1h')).toBe('one\ntwo\nthree\n');
    expect(await logs('--since-time=2999-01-01T00:00:00Z')).toBe('');
    expect(await logs('--timestamps', '--tail=1')).toMatch(/^\d{4}-\S+T\S+Z three\n$/);
    expect((await kubectl(['logs', pod, '-c', 'queue-proxy'])).stdout).toBe('');
  });

  it('says what it has not, and what is wrong', async () => {
    const previous = await kubectl(['logs', pod, '-c', 'user-container', '--previous']);
    expect(previous).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        `previous terminated container "user-container" in pod "${pod}" not found`,
      ),
    });
    const raw = `/api/v1/namespaces/default/pods/${pod}/log?tailLines=-1&sinceSeconds=1&sinceTime=x`;
    const { stderr } = await kubectl(['get', '--raw', raw]);
    expect(stderr).toContain('tailLines: Invalid value: -1: must be greater than or equal to 0');
    expect(stderr).toContain('at most one of `sinceTime` or `sinceSeconds` may be specified');
  });

  it('tells the log of the platform for the Pods that stand for it', async () => {
    const { stdout } = await kubectl([
      'get',
      'pods',
      '-n',
      'knative-serving',
      '-o',
      'jsonpath={.items[0].metadata.name}',
    ]);
    expect(await kubectl(['logs', '-n', 'knative-serving', stdout])).toMatchObject({ code: 0 });
    const refused = await kubectl(['exec', '-n', 'knative-serving', stdout, '--', 'true']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('the platform itself') });
  });

  it('of queue-proxy has a line for each request, as config-observability asks for', async () => {
    const configure = (data: object) =>
      kubectl(
        ['apply'],
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'config-observability', namespace: 'knative-serving' },
          data,
        }),
      );
    const template =
      '{{.Request.Method}} {{js .Request.RequestURI}} {{.Response.Code}} {{.Response.Size}} {{.Revision.Name}} {{.Revision.PodName}} {{index .Request.Header "X-Who"}}';
    expect(
      await configure({
        'logging.enable-request-log': 'true',
        'logging.request-log-template': template,
        'logging.revision-url-template': 'http://logs.example/${REVISION_UID}',
      }),
    ).toMatchObject({ code: 0 });
    const ask = async (userAgent: string): Promise<void> => {
      const { body } = await request(`${platform.endpoints.gateway}/a'b`, {
        headers: { host: 'wordy.default.localhost', 'x-who': 'me', 'user-agent': userAgent },
      });
      await body.dump();
    };
    const lines = async (): Promise<string> => (await kubectl(['logs', pod, '-c', 'queue-proxy'])).stdout;
    await expect
      .poll(
        async () => {
          await ask('kube-probe/1.34');
          await ask('tester');
          return lines();
        },
        { timeout: 5000 },
      )
      .toMatch(/^GET/);
    const found = (await lines()).trimEnd().split('\n');
    expect(new Set(found)).toEqual(new Set([`GET /a\\'b 200 2 wordy-00001 ${pod} [me]`]));
    const before = found.length;
    await ask('kube-probe/1.34');
    await ask('tester');
    await expect.poll(async () => (await lines()).trimEnd().split('\n').length).toBe(before + 1);
    const uid = ['get', 'revision', 'wordy-00001', '-o', 'jsonpath={.status.logUrl} {.metadata.uid}'];
    await expect
      .poll(async () => (await kubectl(uid)).stdout, { timeout: 5000 })
      .toMatch(/^http:\/\/logs\.example\/(\S+) \1$/);
    const refused = await configure({ 'logging.request-log-template': '{{ something }}' });
    expect(refused.stderr).toContain('template: requestLog:1: function "something" not defined');
  });

  it('is followed until the Pod ends', async () => {
    const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
    const args = ['logs', '-f', '-l', 'serving.knative.dev/service=wordy', '-c', 'user-container'];
    const child = spawn('kubectl', args, { env });
    await once(child.stdout, 'data');
    const closed = once(child, 'close');
    expect(await kubectl(['delete', 'ksvc', 'wordy', '--wait=false'])).toMatchObject({ code: 0 });
    expect(await closed).toEqual([0, null]);
  });
});
