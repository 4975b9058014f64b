import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';

const root = temporaryFolder('binding-flow');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
/** A program that is no function: it sends what it is asked with to the sink that it was told. */
const SENDER = folderWith('sender', {
  'sender.mjs': `
    import { createServer } from 'node:http';
    createServer(async (request, response) => {
      const { extensions = {} } = JSON.parse(process.env.K_CE_OVERRIDES || '{}');
      const headers = { 'ce-specversion': '1.0', 'ce-id': request.url.slice(1), 'ce-source': '/sender', 'ce-type': 'sent' };
      for (const [name, value] of Object.entries(extensions)) headers['ce-' + name] = value;
      const answer = await fetch(process.env.K_SINK, { method: 'POST', headers });
      response.end(process.env.K_SINK + ' ' + answer.status);
    }).listen(process.env.PORT, '127.0.0.1');`,
});
const RECEIVER = folderWith('receiver', {
  'index.js': 'exports.handle = (context, event) => { console.log("received", event.id); };\n',
});
const service = (name: string): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {template: {spec: {containers: [{image: ${name}}]}}}
---`;
const bindingTo = (sink: string): string => `
apiVersion: sources.knative.dev/v1
kind: SinkBinding
metadata: {name: sender}
spec:
  subject: {apiVersion: serving.knative.dev/v1, kind: Service, name: sender}
  ceOverrides: {extensions: {team: shop}}
  sink: ${sink}
`;

let sink: Subscriber;
let gateway: string;

beforeAll(async () => {
  sink = await subscriber((response) => response.writeHead(204).end());
  await start(dataDir);
  gateway = runFileOf(dataDir).endpoints.gateway;
  const pushes = [
    ['push', 'sender', SENDER, '--command', 'node sender.mjs', '--data-dir', dataDir],
    ['push', 'receiver', RECEIVER, '--data-dir', dataDir],
  ];
  for (const push of pushes) expect(await millrace(push)).toMatchObject({ code: 0 });
  const objects = service('receiver') + service('sender') + bindingTo(`{uri: '${sink.url}'}`);
  expect(await kubectl(['apply'], objects)).toMatchObject({ code: 0 });
  expect(await ready()).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => sink.close());

const ready = () =>
  kubectl([
    'wait',
    '--for=condition=Ready',
    'sinkbinding/sender',
    'ksvc/sender',
    'ksvc/receiver',
    '--timeout=30s',
  ]);
async function send(id: string): Promise<string> {
  const { hostname, port } = new URL(gateway);
  const headers = { host: 'sender.default.localhost' };
  const { body } = await request(`http://${hostname}:${port}/${id}`, { headers });
  return body.text();
}

describe('a SinkBinding on a whole platform', { timeout: 60_000 }, () => {
  it('tells a program of a Service where to send, and with what', async () => {
    expect(await send('one')).toBe(`${sink.url} 204`);
    expect(sink.requests[0]?.headers).toMatchObject({ 'ce-id': 'one', 'ce-team': 'shop' });
    const { stdout } = await kubectl(['get', 'sinkbinding']);
    expect(stdout).toMatch(/^NAME +SINK +AGE +READY +REASON *\nsender +http:\S+ +\d+s +True/);
  });

  it('gives a program that resolves none of our names an address of a Service that it can reach', async () => {
    const before = (
      await kubectl(['get', 'ksvc', 'sender', '-o', 'jsonpath={.status.latestReadyRevisionName}'])
    ).stdout;
    const receiver = '{ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: receiver}}';
    expect(await kubectl(['apply'], bindingTo(receiver))).toMatchObject({ code: 0 });
    const revision = () =>
      kubectl(['get', 'ksvc', 'sender', '-o', 'jsonpath={.status.latestReadyRevisionName}']);
    await expect.poll(async () => (await revision()).stdout, { timeout: 20_000 }).not.toBe(before);
    await expect
      .poll(() => send('two'), { timeout: 20_000, interval: 200 })
      .toMatch(/^http:\/\/127\.0\.0\.1:\d+\/services\/default\/receiver\/ 204$/);
    const shown = await kubectl(['get', 'ksvc', 'sender', '-o', 'yaml']);
    expect(shown.stdout).toContain('value: http://receiver.default.svc.cluster.local');
  });

  it('takes the sink away again when it is deleted', async () => {
    expect(await kubectl(['delete', 'sinkbinding', 'sender'])).toMatchObject({ code: 0 });
    expect((await kubectl(['get', 'ksvc', 'sender', '-o', 'yaml'])).stdout).not.toContain('K_SINK');
  });
});
