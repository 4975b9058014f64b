import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { Webhooks } from '../../src/platform/webhooks.ts';

it('a host that no service answers to is 503 while the platform starts, for it may be known a moment later', async () => {
  const server = createServer(new Webhooks().onOtherHost).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const answers = await Promise.all(
    ['/', '/webhooks/default/github'].map((path) => fetch(`http://127.0.0.1:${port}${path}`)),
  );
  server.closeAllConnections();
  server.close();
  expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  expect(answers.map(({ headers }) => headers.get('retry-after'))).toEqual(['1', '1']);
});
