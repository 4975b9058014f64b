import { PlatformError } from '../../base/errors.ts';
import {
  MECHANISMS,
  parseAddress,
  type Address,
  type KafkaSettings,
  type Sasl,
} from '../../clients/kafka/settings.ts';
import type { Settings } from '../backend.ts';

const CONFIG = 'ConfigMap kafka-channel-config';
const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];

/**
 * The keys of upstream's ConfigMap and Secret. Without `protocol`, what else is in the Secret says it; a key that is
 * there and would not be used is an error, so that nobody takes a connection for safer than it is.
 */
export function parseKafkaSettings({ config, secret }: Settings): KafkaSettings {
  const seeds = parseServers(config['bootstrap.servers'] ?? '');
  const protocol = secret['protocol'] ?? 'PLAINTEXT';
  if (!PROTOCOLS.includes(protocol)) throw invalid('Secret key protocol', `one of ${PROTOCOLS.join(', ')}`);
  const isTls = protocol.endsWith('SSL');
  const isSasl = protocol.startsWith('SASL');
  for (const key of isTls ? [] : ['ca.crt', 'user.crt', 'user.key'])
    if (given(secret, key)) throw invalid(`Secret key ${key}`, `left out, or protocol SSL or SASL_SSL`);
  for (const key of isSasl ? [] : ['sasl.mechanism', 'user', 'password'])
    if (given(secret, key))
      throw invalid(`Secret key ${key}`, `left out, or protocol SASL_PLAINTEXT or SASL_SSL`);
  return { seeds, ssl: isTls ? parseTls(secret) : null, sasl: isSasl ? parseSasl(secret) : null };
}

function parseServers(text: string): Address[] {
  const expected = 'host:port, or several of them with commas between';
  return text.split(',').map((part) => {
    const address = parseAddress(part);
    if (address === undefined) throw invalid(`${CONFIG} key bootstrap.servers`, expected);
    return address;
  });
}

function parseTls(secret: Settings['secret']): NonNullable<KafkaSettings['ssl']> {
  for (const key of ['ca.crt', 'user.crt'])
    if (given(secret, key) && !/-----BEGIN CERTIFICATE-----/.test(secret[key] ?? ''))
      throw invalid(`Secret key ${key}`, 'a certificate in PEM');
  const ca = given(secret, 'ca.crt') ? { ca: secret['ca.crt'] ?? '' } : {};
  const hasKey = given(secret, 'user.key');
  if (parseSkip(secret)) {
    if (hasKey || given(secret, 'user.crt'))
      throw invalid('Secret key user.skip', 'left out or false, where user.crt or user.key is given');
    return ca;
  }
  if (hasKey !== given(secret, 'user.crt'))
    throw invalid(`Secret key ${hasKey ? 'user.crt' : 'user.key'}`, 'given, since the other half is');
  if (!hasKey) return ca;
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(secret['user.key'] ?? ''))
    throw invalid('Secret key user.key', 'a private key in PEM');
  return { ...ca, cert: secret['user.crt'] ?? '', key: secret['user.key'] ?? '' };
}

/** `user.skip: true` says that no client certificate is meant to be there. */
function parseSkip(secret: Settings['secret']): boolean {
  const skip = secret['user.skip'] ?? 'false';
  if (skip !== 'true' && skip !== 'false') throw invalid('Secret key user.skip', 'true or false');
  return skip === 'true';
}

function parseSasl(secret: Settings['secret']): Sasl {
  const mechanism = MECHANISMS.get(secret['sasl.mechanism'] ?? '');
  if (mechanism === undefined)
    throw invalid('Secret key sasl.mechanism', `one of ${[...MECHANISMS.keys()].join(', ')}`);
  for (const key of ['user', 'password'])
    if (!given(secret, key)) throw invalid(`Secret key ${key}`, 'given, since protocol asks for SASL');
  return { mechanism, username: secret['user'] ?? '', password: secret['password'] ?? '' };
}

const given = (secret: Settings['secret'], key: string): boolean => (secret[key] ?? '') !== '';

function invalid(where: string, expected: string): PlatformError {
  return new PlatformError('BACKEND_SETTINGS_INVALID', `${where}: has to be ${expected}`, {
    retryable: false,
  });
}
