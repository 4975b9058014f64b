import { describe, expect, it } from 'vitest';
import { parseKafkaSettings } from '../../../src/channels/kafka/settings.ts';

const CONFIG = { 'bootstrap.servers': 'a.test:9092, [::1]:9093' };
const PEM = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const KEY = '-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n';
const SASL = { protocol: 'SASL_SSL', 'sasl.mechanism': 'SCRAM-SHA-512', user: 'u', password: 'hunter2' };

describe('settings of Kafka', () => {
  it('are the keys of the ConfigMap and Secret of upstream', () => {
    expect(parseKafkaSettings({ config: CONFIG, secret: {} })).toEqual({
      seeds: [
        { host: 'a.test', port: 9092 },
        { host: '::1', port: 9093 },
      ],
      ssl: null,
      sasl: null,
    });
    const secret = { ...SASL, 'ca.crt': PEM, 'user.skip': 'true' };
    expect(parseKafkaSettings({ config: CONFIG, secret })).toMatchObject({
      ssl: { ca: PEM },
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'hunter2' },
    });
    const mutual = { protocol: 'SSL', 'ca.crt': PEM, 'user.crt': PEM, 'user.key': KEY };
    expect(parseKafkaSettings({ config: CONFIG, secret: mutual })).toMatchObject({
      ssl: { ca: PEM, cert: PEM, key: KEY },
    });
  });

  it.each([
    ['bootstrap.servers', {}, {}],
    ['bootstrap.servers', { 'bootstrap.servers': 'http://a.test:9092' }, {}],
    ['bootstrap.servers', { 'bootstrap.servers': 'a.test' }, {}],
    ['bootstrap.servers', { 'bootstrap.servers': 'a.test:99999' }, {}],
    ['protocol', CONFIG, { protocol: 'TLS' }],
    ['sasl.mechanism', CONFIG, { ...SASL, 'sasl.mechanism': 'GSSAPI' }],
    ['sasl.mechanism', CONFIG, { protocol: 'SASL_PLAINTEXT', user: 'u', password: 'hunter2' }],
    ['user', CONFIG, { ...SASL, user: '' }],
    ['password', CONFIG, { ...SASL, password: '' }],
    ['password', CONFIG, { password: 'hunter2' }],
    ['ca.crt', CONFIG, { 'ca.crt': PEM }],
    ['ca.crt', CONFIG, { protocol: 'SSL', 'ca.crt': 'not a certificate' }],
    ['user.key', CONFIG, { protocol: 'SSL', 'user.crt': PEM }],
    ['user.crt', CONFIG, { protocol: 'SSL', 'user.key': KEY }],
    ['user.key', CONFIG, { protocol: 'SSL', 'user.crt': PEM, 'user.key': 'x' }],
    ['user.skip', CONFIG, { protocol: 'SSL', 'user.skip': 'yes' }],
    ['user.skip', CONFIG, { protocol: 'SSL', 'user.skip': 'true', 'user.crt': PEM, 'user.key': KEY }],
  ])('name %s when it is wrong, and never what is in it', (key, config, secret) => {
    const parse = (): unknown => parseKafkaSettings({ config, secret });
    expect(parse).toThrow(expect.objectContaining({ code: 'BACKEND_SETTINGS_INVALID' }));
    expect(parse).toThrow(new RegExp(`key ${key.replace('.', '\\.')}: `));
    expect(parse).not.toThrow(/hunter2/);
  });
});
