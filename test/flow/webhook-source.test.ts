import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';

const FUNCTION = {
  'index.js':
    "exports.handle = (context, event) => { console.log('seen', event.type, event.id, event.data.data.object.id); };\n",
};
const MANIFEST = `
apiVersion: v1
kind: Secret
metadata: {name: stripe}
stringData: {signing: whsec_first}
---
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: payments}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: bookkeeper}
spec: {template: {spec: {containers: [{image: bookkeeper}]}}}
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata: {name: payments-to-bookkeeper}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: payments}
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: bookkeeper}}
---
apiVersion: sources.millrace.dev/v1alpha1
kind: WebhookSource
metadata: {name: stripe}
spec:
  preset: stripe
  secrets: [{secretKeyRef: {name: stripe, key: signing}}]
  sink: {ref: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: payments}}
`;
const toOutside = (port: number): string => `
apiVersion: v1
kind: Secret
metadata: {name: open}
stringData: {token: t}
---
apiVersion: sources.millrace.dev/v1alpha1
kind: WebhookSource
metadata: {name: outside}
spec:
  verification: {token: {}}
  secrets: [{secretKeyRef: {name: open, key: token}}]
  sink: {uri: 'http://127.0.0.1:${port}/'}
`;
const WAIT = { timeout: 20_000, interval: 100 };

const start = platformStarter();

async function post(url: string, secret: string, id: string): Promise<number> {
  const body = `{"id":"${id}","type":"charge.failed","created":1533204620,"data":{"object":{"id":"ch_1"}}}`;
  const at = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
  const headers = { 'content-type': 'application/json', 'stripe-signature': `t=${at},v1=${signature}` };
  return (await fetch(url, { method: 'POST', headers, body })).status;
}

it('a signed webhook of Stripe wakes a function from zero through a channel, with the secret as it is now', async () => {
  const root = temporaryFolder('webhook');
  const dataDir = join(root, 'data');
  await start(dataDir);
  const { endpoints, kubeconfig } = runFileOf(dataDir);
  const kubectl = kubectlFor(root, kubeconfig);
  const pushed = await millrace([
    'push',
    'bookkeeper',
    folderWith('bookkeeper', FUNCTION),
    '--data-dir',
    dataDir,
  ]);
  expect(pushed.stderr).toBe('');
  expect(await kubectl(['apply'], MANIFEST)).toMatchObject({ code: 0 });
  const wait = ['wait', '--for=condition=Ready', '--timeout=20s'];
  const waited = await kubectl([
    ...wait,
    'webhooksource/stripe',
    'subscription/payments-to-bookkeeper',
    'ksvc/bookkeeper',
  ]);
  expect(waited).toMatchObject({ code: 0 });
  const { stdout } = await kubectl(['get', 'webhooksource', 'stripe', '--no-headers']);
  const url = `${endpoints.gateway}/webhooks/default/stripe`;
  expect(stdout).toContain(url);

  expect(await post(url, 'whsec_wrong', 'evt_0')).toBe(401);
  expect(await post(url, 'whsec_first', 'evt_1')).toBe(202);
  const logs = ['logs', '-l', 'serving.knative.dev/service=bookkeeper', '--tail=-1'];
  const seen = async (): Promise<string> => (await kubectl(logs)).stdout;
  await expect.poll(seen, WAIT).toContain('seen com.stripe.charge.failed evt_1 ch_1');

  const rotated = [
    'patch',
    'secret',
    'stripe',
    '--type=merge',
    '-p',
    '{"stringData":{"signing":"whsec_second"}}',
  ];
  expect(await kubectl(rotated)).toMatchObject({ code: 0 });
  await expect.poll(() => post(url, 'whsec_second', 'evt_2'), WAIT).toBe(202);
  expect(await post(url, 'whsec_first', 'evt_3')).toBe(401);
  await expect.poll(seen, WAIT).toContain('seen com.stripe.charge.failed evt_2 ch_1');
  const traced = await millrace(['trace', 'evt_2', '--data-dir', dataDir]);
  expect(traced.stdout).toContain('WebhookSource/default/stripe');
}, 90_000);

it('what was answered 202 reaches a sink that was away, after a kill of the platform too', async () => {
  const root = temporaryFolder('webhook');
  const dataDir = join(root, 'data');
  const first = await start(dataDir);
  const kubectl = (): ReturnType<typeof kubectlFor> => kubectlFor(root, runFileOf(dataDir).kubeconfig);
  const seen: string[] = [];
  const sink = createServer((request, response) => {
    request.resume();
    const id = String(request.headers['ce-id']);
    seen.push(id);
    response.writeHead(id === 'unwanted' ? 400 : 204).end();
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const { port } = sink.address() as { port: number };
  await new Promise((resolve) => sink.close(resolve)); // nobody listens there
  expect(await kubectl()(['apply'], toOutside(port))).toMatchObject({ code: 0 });
  const ready = ['wait', '--for=condition=Ready', 'webhooksource/outside', '--timeout=20s'];
  expect(await kubectl()(ready)).toMatchObject({ code: 0 });
  const headers = {
    authorization: 'Bearer t',
    'ce-specversion': '1.0',
    'ce-id': 'kept',
    'ce-source': '/outside',
    'ce-type': 'a',
  };
  const url = `${runFileOf(dataDir).endpoints.gateway}/webhooks/default/outside`;
  expect((await fetch(url, { method: 'POST', headers })).status).toBe(202);
  await first.stop('SIGKILL');
  await new Promise<void>((resolve) => sink.listen(port, '127.0.0.1', resolve));
  await start(dataDir);
  await expect.poll(() => seen, WAIT).toEqual(['kept']);

  const again = `${runFileOf(dataDir).endpoints.gateway}/webhooks/default/outside`;
  const unwanted = { ...headers, 'ce-id': 'unwanted' };
  expect((await fetch(again, { method: 'POST', headers: unwanted })).status).toBe(202);
  const letters = async (): Promise<string> =>
    (await millrace(['dead-letters', 'list', '--data-dir', dataDir])).stdout;
  await expect.poll(letters, WAIT).toContain('unwanted');
  sink.closeAllConnections();
  sink.close();

  await kubectl()(['delete', 'webhooksource', 'outside']);
  const { stdout } = await kubectl()(['get', 'webhooksources']);
  expect(stdout).toBe('');
}, 90_000);

it('a kill under load loses nothing that was answered 202, and repeats no more than was in flight', async () => {
  const root = temporaryFolder('webhook');
  const dataDir = join(root, 'data');
  const first = await start(dataDir);
  const seen: string[] = [];
  const sink = createServer((request, response) => {
    request.resume();
    seen.push(String(request.headers['ce-id']));
    setTimeout(() => response.writeHead(204).end(), 20);
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const { port } = sink.address() as { port: number };
  const kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
  expect(await kubectl(['apply'], toOutside(port))).toMatchObject({ code: 0 });
  const ready = ['wait', '--for=condition=Ready', 'webhooksource/outside', '--timeout=20s'];
  expect(await kubectl(ready)).toMatchObject({ code: 0 });

  const url = `${runFileOf(dataDir).endpoints.gateway}/webhooks/default/outside`;
  const common = { authorization: 'Bearer t', 'ce-specversion': '1.0', 'ce-source': '/load', 'ce-type': 'a' };
  const taken: string[] = [];
  let next = 0;
  const sender = async (): Promise<void> => {
    for (;;) {
      const id = String((next += 1));
      const headers = { ...common, 'ce-id': id };
      const answer = await fetch(url, { method: 'POST', headers }).catch(() => undefined);
      if (answer === undefined) return; // it was killed
      if (answer.status === 202) taken.push(id);
      if (taken.length === 300) first.child.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: 16 }, sender));
  await first.ended();
  expect(taken.length).toBeGreaterThanOrEqual(300);
  await start(dataDir);
  await expect.poll(() => taken.filter((id) => !seen.includes(id)), WAIT).toEqual([]);
  expect(seen.length - new Set(seen).size).toBeLessThanOrEqual(200); // in flight, and settled since the last commit
  sink.closeAllConnections();
  sink.close();
}, 90_000);
