import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { atChannelHosts, channelOfHost } from '../../../src/channels/ingress/channel-hosts.ts';
import { openServer, type OpenServer } from '../../../src/http/server.ts';
import { RawSocket } from '../../kit/raw-socket.ts';

describe('a host name of 2018', () => {
  it.each([
    ['aloha.default.channels.cluster.local', { namespace: 'default', name: 'aloha' }],
    ['aloha-channel.default.svc.cluster.local', { namespace: 'default', name: 'aloha' }],
    ['a-channel-channel.shop.svc.cluster.local', { namespace: 'shop', name: 'a-channel' }],
    ['aloha.default.svc.cluster.local', undefined],
    ['-channel.default.svc.cluster.local', undefined],
    ['aloha.default.channels.cluster.local.evil.example', undefined],
    ['127.0.0.1', undefined],
  ])('%s means %j', (host, channel) => {
    expect(channelOfHost(host)).toEqual(channel);
  });
});

describe('the listener for events', () => {
  let server: OpenServer;
  beforeEach(async () => {
    const told =
      (who: string) =>
      (request: IncomingMessage, response: ServerResponse): void =>
        void response.end(`${who} ${request.url}`);
    const onRequest = atChannelHosts(told('channel'), told('other'));
    server = await openServer({ name: 'events', host: '127.0.0.1', port: 0, onRequest, requestTimeoutMs: 0 });
  });
  afterEach(() => server.close(0));

  async function ask(host: string, headers = ''): Promise<string> {
    const socket = new RawSocket(server.port);
    socket.send(
      `POST /x HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Length: 0\r\nConnection: close\r\n\r\n`,
    );
    await expect.poll(() => socket.isClosed).toBe(true);
    return socket.received;
  }

  it('hands what is sent to a channel’s host to the door of that channel', async () => {
    expect(await ask('aloha.default.channels.cluster.local')).toContain('channel /channels/default/aloha');
    expect(await ask('Aloha-channel.default.svc.cluster.local:80')).toContain(
      'channel /channels/default/aloha',
    );
    expect(await ask('127.0.0.1')).toContain('other /x');
  });

  it('takes nothing there from a page of another site', async () => {
    const host = 'aloha.default.channels.cluster.local';
    expect(await ask(host, 'Origin: https://evil.example\r\n')).toMatch(/^HTTP\/1\.1 403 /);
  });
});
