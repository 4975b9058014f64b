import { join } from 'node:path';
import { expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter } from '../kit/millrace.ts';

const root = temporaryFolder('consumer-groups');
const dataDir = join(root, 'data');
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
const start = platformStarter();
const subscription = (name: string): string => `
---
apiVersion: messaging.knative.dev/v1
kind: Subscription
metadata:
  name: ${name}
  annotations: {delivery.millrace.dev/consumer-group: workers}
spec:
  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}
  subscriber: {uri: 'http://127.0.0.1:9/'}
`;
const CHANNEL = 'apiVersion: messaging.knative.dev/v1\nkind: Channel\nmetadata: {name: orders}\n';

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}
const isReady = (name: string): Promise<string> =>
  ok(['wait', '--for=condition=Ready', '--timeout=20s', `subscription/${name}`]);

it('a consumer group that a Subscription has is another’s only when that one is gone', async () => {
  await start(dataDir);
  await ok(['apply'], CHANNEL + subscription('first'));
  await isReady('first');
  await ok(['apply'], subscription('second'));
  const why = (): Promise<string> => ok(['get', 'subscription/second', '--no-headers']);
  await expect.poll(why, { timeout: 10_000, interval: 100 }).toMatch(/ False +ConsumerGroupTaken/);
  expect(await ok(['describe', 'subscription/second'])).toContain(
    'consumer group workers is that of subscription first of the same channel',
  );
  await ok(['delete', 'subscription/first']);
  await isReady('second');
}, 60_000);
