import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Informers } from '../../src/control/informer.ts';
import type { ResourceReader } from '../../src/control/resource-client.ts';
import type { Resource } from '../../src/apis/resource.ts';
import { Channels, type ChannelHostOptions } from '../../src/platform/channel-host.ts';
import { untilReady } from '../../src/platform/until-ready.ts';
import { FakeClock } from '../kit/fake-clock.ts';

it('the internal listener says of no service that it is absent before all are known', async () => {
  let isReady = false;
  const own = new Set(['127.0.0.1']);
  const onRequest = untilReady(
    () => isReady,
    own,
    (_, response) => response.writeHead(404).end(),
  );
  const server = createServer(onRequest).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = async (path: string): Promise<string> => {
    const { status, headers } = await fetch(`http://127.0.0.1:${port}${path}`);
    return `${status} ${headers.get('retry-after')}`;
  };
  expect(await ask('/services/default/shop')).toBe('503 1');
  expect(await ask('/channels/default/orders')).toBe('404 null'); // which tells by itself
  isReady = true;
  expect(await ask('/services/default/shop')).toBe('404 null');
});

it('a channel is opening until it is known that there is none of its name', async () => {
  const found = Promise.withResolvers<void>();
  const orders = {
    apiVersion: 'messaging.knative.dev/v1alpha1',
    kind: 'LogChannel',
    metadata: { namespace: 'default', name: 'orders' },
  };
  const reader = {
    list: async ({ kind }: { kind: string }) => {
      await found.promise;
      return { items: kind === 'LogChannel' ? [orders as Resource] : [], resourceVersion: '1' };
    },
    async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
      await once(signal, 'abort');
      yield* [];
    },
  } as unknown as ResourceReader;
  const clock = new FakeClock();
  const channels = new Channels({ clock, graceMs: 0 } as unknown as ChannelHostOptions);
  const informers = new Informers({ reader, clock, random: () => 0 });
  channels.follow(informers, () => undefined);
  onTestFinished(async () => {
    await channels.close();
    await informers.stop();
  });
  expect(channels.door('default', 'nobody')).toBe('opening');
  found.resolve();
  await expect.poll(() => channels.door('default', 'nobody')).toBeUndefined();
  expect(channels.door('default', 'orders')).toBe('opening');
});
