import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { issueCa, issueClient, issueServer, type Pair } from '../../../src/apiserver/pki/issue.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { KafkaProcess, kafkaServer } from '../../servers/kafka.ts';
import { KafkaWorld } from './kafka-world.ts';

const folder = temporaryFolder('kafka-security');
const reason = await kafkaServer.prepare();
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;
const PLAIN_MODULE =
  'org.apache.kafka.common.security.plain.PlainLoginModule required user_carol="carol-pw" user_mallory="mallory-pw";';
const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
const SASL_PLAIN = { 'sasl.mechanism': 'PLAIN', user: 'carol', password: 'carol-pw' };
const scram = (hash: string) => ({
  'sasl.mechanism': `SCRAM-SHA-${hash}`,
  user: 'bob',
  password: `bob-pw-${hash}`,
});

describe.skipIf(reason !== undefined)(
  `a Kafka that asks who comes (${reason ?? 'a server of its own'})`,
  () => {
    let server: KafkaProcess;
    let world: KafkaWorld;
    let ca: Pair;
    let client: Pair;

    beforeAll(async () => {
      const nowMs = Date.now();
      [ca, client] = [await issueCa(nowMs), { cert: '', key: '' }];
      client = await issueClient(ca, nowMs, 'CN=platform');
      const own = await issueServer(ca, nowMs, ['127.0.0.1']);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'own.pem'), own.key + own.cert);
      writeFileSync(join(folder, 'ca.pem'), ca.cert);
      const jaas = (listener: string) => ({
        [`listener.name.${listener}.plain.sasl.jaas.config`]: PLAIN_MODULE,
        [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`]: SCRAM_MODULE,
        [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`]: SCRAM_MODULE,
      });
      server = await KafkaProcess.make(join(folder, 'kafka'), {
        listeners: { SASL: 'SASL_PLAINTEXT', SASLTLS: 'SASL_SSL', TLS: 'SSL' },
        scram: ['256', '512'].map((hash) => `SCRAM-SHA-${hash}=[name=bob,password=bob-pw-${hash}]`),
        properties: {
          'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
          ...jaas('sasl'),
          ...jaas('sasltls'),
          'ssl.keystore.type': 'PEM',
          'ssl.keystore.location': join(folder, 'own.pem'),
          'ssl.truststore.type': 'PEM',
          'ssl.truststore.location': join(folder, 'ca.pem'),
          'listener.name.tls.ssl.client.auth': 'required',
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'super.users': 'User:ANONYMOUS;User:bob;User:carol;User:CN=platform',
        },
      });
      await server.start();
    });
    afterEach(() => world.release());
    afterAll(async () => server.end());

    const connect = (
      listener: string,
      secret: Readonly<Record<string, string>>,
    ): ReturnType<KafkaWorld['connect']> => {
      world = new KafkaWorld(server.address);
      return world.connect(server.addressOf(listener), 500, secret);
    };

    it.each([
      ['SASL', 'PLAIN', () => ({ protocol: 'SASL_PLAINTEXT', ...SASL_PLAIN })],
      ['SASL', 'SCRAM-SHA-256', () => ({ protocol: 'SASL_PLAINTEXT', ...scram('256') })],
      ['SASL', 'SCRAM-SHA-512', () => ({ protocol: 'SASL_PLAINTEXT', ...scram('512') })],
      [
        'SASLTLS',
        'SCRAM-SHA-512 over TLS',
        () => ({ protocol: 'SASL_SSL', 'ca.crt': ca.cert, ...scram('512') }),
      ],
      [
        'TLS',
        'a client certificate',
        () => ({ protocol: 'SSL', 'ca.crt': ca.cert, 'user.crt': client.cert, 'user.key': client.key }),
      ],
    ])(
      'lets a platform in by the %s listener with %s, and carries its events',
      async (listener, _, secret) => {
        const channel = await (await connect(listener, secret())).open(world.spec());
        const seen: string[] = [];
        await channel.consume('audit', OPTIONS, async ({ event, attempt }) => {
          seen.push(`${idOf(event)} ${attempt}`);
          return attempt === 1
            ? { kind: 'retry', dueMs: Date.now(), reason: 'busy', code: 503 }
            : { kind: 'settled' };
        });
        await channel.publish(anEvent());
        await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['e-1 1', 'e-1 2']);
      },
    );

    it.each([
      [
        'a wrong password',
        'SASL',
        () => ({ protocol: 'SASL_PLAINTEXT', ...SASL_PLAIN, password: 'wrong-pw' }),
      ],
      [
        'a wrong SCRAM password',
        'SASL',
        () => ({ protocol: 'SASL_PLAINTEXT', ...scram('512'), password: 'wrong-pw' }),
      ],
      [
        'a certificate of a CA it does not know',
        'SASLTLS',
        () => ({ protocol: 'SASL_SSL', ...scram('512') }),
      ],
      ['no client certificate', 'TLS', () => ({ protocol: 'SSL', 'ca.crt': ca.cert })],
      ['no credentials', 'SASL', () => ({})],
      ['TLS where there is none', 'PLAIN', () => ({ protocol: 'SSL', 'ca.crt': ca.cert })],
    ])(
      'is told why when it comes with %s, in bounded time and without a secret',
      async (_, listener, secret) => {
        const startedMs = Date.now();
        const failed: unknown = await connect(listener, secret()).catch((error: unknown) => error);
        expect(failed).toMatchObject({
          code: expect.stringMatching(/^BACKEND_(REFUSED|UNREACHABLE)$/),
          retryable: true,
        });
        expect(String(failed)).toContain(server.addressOf(listener));
        expect(String(failed) + String(failed instanceof Error && failed.cause)).not.toMatch(/-pw/);
        expect(Date.now() - startedMs).toBeLessThan(15_000);
      },
    );

    it('says what a user may not do, in its own words', async () => {
      const secret = {
        protocol: 'SASL_PLAINTEXT',
        'sasl.mechanism': 'PLAIN',
        user: 'mallory',
        password: 'mallory-pw',
      };
      const backend = await connect('SASL', secret);
      const opening = backend.open(world.spec());
      await expect(opening).rejects.toMatchObject({ code: 'BACKEND_REFUSED', retryable: true });
      await expect(opening).rejects.toThrow(/TOPIC_AUTHORIZATION_FAILED/);
    });
  },
);
