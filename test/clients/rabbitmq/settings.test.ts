import { describe, expect, it } from 'vitest';
import { parseSettings } from '../../../src/clients/rabbitmq/settings.ts';

const parse = (config: Record<string, string>, secret: Record<string, string> = {}) =>
  parseSettings({ config, secret });

describe('where RabbitMQ is', () => {
  it('is in the uri of the ConfigMap, with the defaults of AMQP', () => {
    expect(parse({ uri: 'amqp://rabbit.test' })).toEqual({
      isTls: false,
      host: 'rabbit.test',
      port: 5672,
      vhost: '%2F',
      username: 'guest',
      password: 'guest',
      ca: undefined,
      attributePrefix: 'cloudEvents:',
    });
    expect(parse({ uri: 'amqps://[::1]/shop%2Feu', headers: 'knative' })).toMatchObject({
      isTls: true,
      host: '::1',
      port: 5671,
      vhost: 'shop%2Feu',
      attributePrefix: 'ce-',
    });
  });

  it("is in the Secret's uri first, and there a host alone will do", () => {
    const secret = { uri: 'rabbit.test', port: '5673', username: 'shop\n', password: 'a b%\n' };
    expect(parse({ uri: 'amqp://elsewhere.test' }, secret)).toMatchObject({
      host: 'rabbit.test',
      port: 5673,
      username: 'shop',
      password: 'a b%',
    });
    const whole = { uri: 'amqps://shop:s%20x@rabbit.test:1234/' };
    expect(parse({}, whole)).toMatchObject({
      isTls: true,
      port: 1234,
      username: 'shop',
      password: 's x',
      vhost: '%2F',
    });
  });

  it.each([
    ['nothing at all', {}, {}, /^uri has to say where/],
    ['another protocol', { uri: 'http://x' }, {}, /^uri of the ConfigMap has to be amqp:/],
    ['no URL', { uri: 'amqp://:x:' }, {}, /^uri of the ConfigMap/],
    ['parameters', { uri: 'amqp://x?heartbeat=0' }, {}, /^uri of the ConfigMap takes no parameters/],
    [
      'a password where everyone reads it',
      { uri: 'amqp://u:s3cret@x' },
      {},
      /^uri of the ConfigMap holds a password.*key 'password' of a Secret/,
    ],
    ['two virtual hosts', { uri: 'amqp://x/a/b' }, {}, /^uri has one virtual host/],
    ['a port that is none', {}, { uri: 'x', port: 'http' }, /^port has to be/],
    ['a user without a password', { uri: 'amqp://u@x' }, {}, /^password is missing/],
    ['a password without a user', { uri: 'amqp://x' }, { password: 's3cret' }, /^username is missing/],
    ['a CA without TLS', { uri: 'amqp://x' }, { 'ca.crt': 'x' }, /^ca.crt is given, but/],
    ['a CA that is none', { uri: 'amqps://x' }, { 'ca.crt': 's3cret' }, /^ca.crt has to be a certificate/],
    [
      'names for headers that nobody reads',
      { uri: 'amqp://x', headers: 'mine' },
      {},
      /^headers has to be one of cloudevents, knative/,
    ],
  ])('is not in %s; the refusal names the key and shows no secret', (_, config, secret, words) => {
    let error: unknown;
    try {
      parse(config, secret);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'BACKEND_SETTINGS_INVALID', message: expect.stringMatching(words) });
    expect(String(error)).not.toContain('s3cret');
  });
});
