import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Settings } from '../../../src/channels/backend.ts';
import { rabbitmqAdapter } from '../../../src/channels/rabbitmq/rabbitmq-adapter.ts';
import { makeCa, makeServerCertificate } from '../../kit/certificates.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { freePort } from '../../servers/processes.ts';
import { RabbitmqNode, rabbitmqServer } from '../../servers/rabbitmq.ts';
import { aChannelSpec } from './rabbitmq-world.ts';

const PASSWORD = 's3cret/with: odd@characters%';
const reason = await rabbitmqServer.prepare();
const tools = { clock: systemClock, random: Math.random, graceMs: 100 };
const connect = (settings: Settings) => rabbitmqAdapter.connect(settings, tools);

describe.skipIf(reason !== undefined)(`RabbitMQ with TLS and passwords ${reason ?? ''}`, () => {
  let node: RabbitmqNode;
  let tlsPort: number;
  let ca: string;
  let otherCa: string;
  beforeAll(async () => {
    const folder = temporaryFolder('rabbitmq-tls');
    ca = makeCa(folder, 'ca');
    otherCa = makeCa(folder, 'other');
    makeServerCertificate(folder);
    tlsPort = await freePort();
    node = await RabbitmqNode.make(join(folder, 'node'), [
      `listeners.ssl.1 = 127.0.0.1:${tlsPort}`,
      `ssl_options.cacertfile = ${join(folder, 'ca.pem')}`,
      `ssl_options.certfile = ${join(folder, 'server.pem')}`,
      `ssl_options.keyfile = ${join(folder, 'server.key')}`,
      'ssl_options.verify = verify_none',
      'ssl_options.fail_if_no_peer_cert = false',
    ]);
    await node.start();
    await node.control('add_vhost', 'shop/eu');
    await node.control('add_user', 'millrace', PASSWORD);
    const ours = String.raw`^knative-messaging\..*`;
    const orDefault = String.raw`^(knative-messaging\..*|amq\.default)$`;
    await node.control('set_permissions', '-p', 'shop/eu', 'millrace', ours, orDefault, ours);
  });
  afterAll(() => node.end());

  const secret = (more: Record<string, string>): Settings => ({
    config: { uri: `amqps://localhost:${tlsPort}/shop%2Feu` },
    secret: { username: 'millrace', password: PASSWORD, ...more },
  });

  it('keeps events over TLS with a CA of its own, as a user with a password, in a virtual host', async () => {
    const backend = await connect(secret({ 'ca.crt': ca }));
    const channel = await backend.open(aChannelSpec());
    const seen: string[] = [];
    await channel.consume(
      'audit',
      OPTIONS,
      async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' }),
    );
    await channel.publish(anEvent('over TLS'));
    await expect.poll(() => seen).toEqual(['over TLS']);
    expect(await node.control('list_connections', 'user', 'vhost', 'ssl')).toContain(
      'millrace\tshop/eu\ttrue',
    );
    expect(readFileSync('/proc/self/cmdline', 'utf8')).not.toContain(PASSWORD);
    await backend.close();
  });

  it.each([
    ['without the CA', () => secret({}), 'BACKEND_UNREACHABLE', /certificate/],
    ['with another CA', () => secret({ 'ca.crt': otherCa }), 'BACKEND_UNREACHABLE', /certificate/],
    [
      'with another password',
      () => secret({ 'ca.crt': ca, password: 'wrong-word' }),
      'BACKEND_REFUSED',
      /ACCESS.REFUSED/,
    ],
    [
      'for a virtual host that is not there',
      () => ({ ...secret({ 'ca.crt': ca }), config: { uri: `amqps://localhost:${tlsPort}/nowhere` } }),
      'BACKEND_REFUSED',
      /nowhere/,
    ],
    [
      'on a port where nobody listens',
      () => ({ config: { uri: 'amqp://127.0.0.1:1' }, secret: {} }),
      'BACKEND_UNREACHABLE',
      /ECONNREFUSED/,
    ],
  ])('is refused %s, in words that hold no password', async (_, settings, code, words) => {
    const error: unknown = await connect(settings()).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, retryable: true, message: expect.stringMatching(words) });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/s3cret|wrong-word/);
  });
});
