import { connect, type TLSSocket } from 'node:tls';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPki, type Pki } from '../../src/apiserver/pki/pki.ts';
import { answerText } from '../../src/http/respond.ts';
import { openServer, type OpenServer } from '../../src/http/server.ts';
import { temporaryFolder } from '../kit/folders.ts';

const folder = temporaryFolder('tls');
let pki: Pki;
let server: OpenServer;

beforeAll(async () => {
  pki = await openPki(folder, ['localhost', '127.0.0.1'], Date.now());
  server = await openServer({
    name: 'api',
    host: '127.0.0.1',
    port: 0,
    tls: {
      key: pki.serverKey,
      cert: pki.serverCert,
      ca: pki.caCert,
      requestCert: true,
      rejectUnauthorized: false,
    },
    onRequest: ({ socket }, response) => {
      const { authorized } = socket as TLSSocket;
      answerText(response, authorized ? 200 : 401, authorized ? 'known' : 'unknown');
    },
  });
});
afterAll(() => server.close(0));

async function ask(connect: Readonly<Record<string, string>>): Promise<readonly [number, string]> {
  const agent = new Agent({ connect });
  try {
    const { statusCode, body } = await agent.request({ origin: server.url, path: '/', method: 'GET' });
    return [statusCode, await body.text()];
  } finally {
    await agent.close();
  }
}

describe('a listener with TLS', () => {
  it('says so in its URL', () => {
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  });

  it('knows who shows a certificate of its authority, and leaves it to its owner what to do with others', async () => {
    expect(await ask({ ca: pki.caCert, cert: pki.adminCert, key: pki.adminKey })).toEqual([200, 'known\n']);
    expect(await ask({ ca: pki.caCert })).toEqual([401, 'unknown\n']);
  });

  it('is not taken for one that it is not', async () => {
    await expect(ask({})).rejects.toThrow(/certificate/);
  });

  it('closes with connections open', async () => {
    const agent = new Agent({ connect: { ca: pki.caCert } });
    const { body } = await agent.request({ origin: server.url, path: '/', method: 'GET' });
    await body.dump();
    await server.close(10_000);
    await agent.destroy();
  });

  it('closes although a client is there that has shaken hands and said nothing (H4)', async () => {
    const { serverKey: key, serverCert: cert, caCert: ca } = pki;
    const onRequest = (): void => undefined;
    const tls = { key, cert };
    const other = await openServer({ name: 'other', host: '127.0.0.1', port: 0, tls, onRequest });
    const client = connect({ port: other.port, host: '127.0.0.1', ca });
    client.on('error', () => undefined);
    await new Promise((resolve) => client.once('secureConnect', resolve));
    await new Promise((resolve) => client.once('session', resolve)); // the server has had the last of the handshake
    await other.close(60_000);
    client.destroy();
  });
});
