import { afterEach, describe, expect, it } from 'vitest';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { RawSocket } from '../../kit/raw-socket.ts';
import { openSmallPlatform, type SmallPlatform } from '../../kit/small-platform.ts';
import { openSmallServing, WEB, WEB_HOST, type SmallServing } from '../../kit/small-serving.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

function upgraded(port: number, host: string): RawSocket {
  const socket = new RawSocket(port);
  closing.push(() => socket.close());
  const lines = [`Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket'];
  return socket.send(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
}

/** serving test/e2e/websocket_test.go, TestWebSocketGracefulShutdown. */
describe('an upgraded connection whose instance is to go', () => {
  it('is left alone for 30 s after the last plain request, then the instance is told', async () => {
    const clock = new FakeClock();
    const held: (() => void)[] = [];
    const small: SmallServing = await openSmallServing((_, response) => {
      held.push(() => response.end('ok'));
    }, clock);
    closing.push(() => small.close());
    small.runtime.onUpgrade = (_, socket) => void socket.write(ACCEPTED);
    small.web({ timeoutMs: 300_000 });
    const socket = upgraded(small.internalPort, WEB_HOST);
    await expect.poll(() => socket.received).toBe(ACCEPTED);
    const plain = small.ask();
    await expect.poll(() => held).toHaveLength(1);
    const [instance] = small.runtime.started;
    const gone = small.serving.replaceInstance(WEB, instance?.id ?? '');
    clock.advance(60_000); // the plain request is answered first, however long that takes
    expect(instance?.busyAtStop()).toBeUndefined();
    held[0]?.();
    expect((await plain).text).toBe('ok');
    await expect.poll(() => small.counts().inFlight).toBe(1);
    clock.advance(29_000);
    expect(instance?.busyAtStop()).toBeUndefined();
    clock.advance(1500);
    await expect.poll(() => instance?.busyAtStop()).toBe(0);
    await gone;
    await expect.poll(() => small.counts().inFlight).toBe(0);
  });

  it('is said good-bye to by the instance itself', async () => {
    const directory = folderWith('chat', {
      'server.js': `
        const sockets = new Set();
        const server = require('node:http').createServer();
        server.on('upgrade', (request, socket) => {
          sockets.add(socket.on('error', () => {}));
          socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n');
          socket.pipe(socket, { end: false });
        });
        process.on('SIGTERM', () => {
          for (const socket of sockets) socket.end('bye');
          server.close(() => process.exit(0));
        });
        server.listen(Number(process.env.PORT), '127.0.0.1');`,
    });
    const platform: SmallPlatform = await openSmallPlatform({
      folder: temporaryFolder('websocket'),
      warm: 0,
      channels: {},
      services: {
        chat: {
          directory,
          launch: { kind: 'program', command: [process.execPath, 'server.js'] },
          plan: { timeoutMs: 6000 },
        },
      },
    });
    closing.push(() => platform.close());
    const socket = upgraded(Number(new URL(platform.eventsUrl).port), 'chat.demo.svc.cluster.local');
    socket.send('hello;'); // before the answer to the head, and before there is an instance
    await expect.poll(() => socket.received, { timeout: 5000 }).toBe(`${ACCEPTED}hello;`);
    const gone = platform.serving.scaleToZero('demo/chat-00001');
    await expect.poll(() => socket.received, { timeout: 5000 }).toBe(`${ACCEPTED}hello;bye`);
    await gone;
    expect(socket.isClosed).toBe(true);
  });
});
