import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { pubsubAdapter } from '../../../src/channels/pubsub/pubsub-adapter.ts';
import { readSettings, requireDefaultCredentials } from '../../../src/clients/pubsub/settings.ts';
import { freePort } from '../../servers/processes.ts';

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const KEY = {
  type: 'service_account',
  project_id: 'from-the-key',
  client_email: 'millrace@from-the-key.iam.gserviceaccount.com',
  private_key: privateKey,
};
const secret = (key: object | string): { secret: Record<string, string> } => ({
  secret: { 'key.json': typeof key === 'string' ? key : JSON.stringify(key) },
});
const NOWHERE = { HOME: '/nonexistent', METADATA_SERVER_DETECTION: 'none' };

describe('settings of Pub/Sub', () => {
  it('reads a service-account key, and its project where the ConfigMap names none', () => {
    const access = { kind: 'key', email: KEY.client_email, privateKey };
    expect(readSettings({ config: {}, ...secret(KEY) }, {})).toEqual({ project: 'from-the-key', access });
    expect(readSettings({ config: { project: 'mine-1' }, ...secret(KEY) }, {}).project).toBe('mine-1');
  });

  it('honours PUBSUB_EMULATOR_HOST, and emulator.host before it', () => {
    const environment = { PUBSUB_EMULATOR_HOST: 'localhost:8085' };
    const config = { project: 'demo' };
    expect(readSettings({ config, secret: {} }, environment).access).toEqual({
      kind: 'emulator',
      host: 'localhost:8085',
    });
    const own = { ...config, 'emulator.host': '127.0.0.1:1' };
    expect(readSettings({ config: own, secret: {} }, environment).access).toMatchObject({
      host: '127.0.0.1:1',
    });
  });

  it('leaves default credentials to Google where nothing else is said', () => {
    expect(readSettings({ config: { project: 'demo' }, secret: {} }, {}).access).toEqual({ kind: 'default' });
  });

  it.each([
    ['no project', {}, {}, 'project: '],
    ['a project that is none', { project: 'Not A Project' }, {}, 'project: '],
    ['a host without port', { project: 'demo', 'emulator.host': 'localhost' }, {}, 'emulator.host: '],
    [
      'a Secret that is not there',
      { project: 'demo', 'auth.secret.ref.name': 'google' },
      {},
      'Secret google: ',
    ],
    ['a key that is no JSON', {}, secret('{"private_key": "s3cret"').secret, 'key.json: '],
    ['a key of another kind', {}, secret({ ...KEY, type: 'external_account' }).secret, 'key.json: type'],
    ['a key without email', {}, secret({ ...KEY, client_email: '' }).secret, 'key.json: client_email'],
    [
      'a private key that is none',
      {},
      secret({ ...KEY, private_key: 's3cret' }).secret,
      'key.json: private_key',
    ],
  ])('refuses %s, names the key, and shows no secret', (_, config, secrets, named) => {
    const read = (): unknown => readSettings({ config, secret: secrets as Record<string, string> }, {});
    expect(read).toThrow(expect.objectContaining({ code: 'BACKEND_SETTINGS_INVALID' }));
    expect(read).toThrow(named);
    expect(read).not.toThrow('s3cret');
  });

  it('says within two seconds that there are no credentials, and how to give some', async () => {
    const startMs = Date.now();
    const port = await freePort(); // where no metadata server is
    const environment = { HOME: '/nonexistent', GCE_METADATA_HOST: `127.0.0.1:${port}` };
    await expect(requireDefaultCredentials(environment)).rejects.toMatchObject({
      code: 'BACKEND_SETTINGS_INVALID',
      message: expect.stringMatching(
        /key\.json.*auth\.secret\.ref\.name.*default credentials.*PUBSUB_EMULATOR_HOST/s,
      ),
    });
    await expect(requireDefaultCredentials(NOWHERE)).rejects.toMatchObject({
      code: 'BACKEND_SETTINGS_INVALID',
    });
    expect(Date.now() - startMs).toBeLessThan(2000);
  });

  it('finds a metadata server by what it says of itself', async () => {
    const server = createServer((request, response) => {
      response.setHeader('metadata-flavor', request.headers['metadata-flavor'] ?? '').end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await requireDefaultCredentials({ HOME: '/nonexistent', GCE_METADATA_HOST: host });
    server.close();
  });

  it('says where nothing listens that it cannot be reached', async () => {
    const config = { project: 'demo', 'emulator.host': `127.0.0.1:${await freePort()}` };
    const connecting = pubsubAdapter.connect(
      { config, secret: {} },
      { clock: systemClock, random: Math.random, graceMs: 0 },
    );
    await expect(connecting).rejects.toMatchObject({
      code: 'BACKEND_UNREACHABLE',
      retryable: true,
      message: expect.stringContaining(config['emulator.host']),
    });
  });
});
