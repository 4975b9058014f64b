import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import { webhookSourceKind } from '../../../src/apis/sources/webhook-source/webhook-source.ts';
import type { WebhookSource } from '../../../src/apis/sources/webhook-source/schema.ts';
import { aWebhookSource } from '../../kit/webhooks.ts';
import { created } from '../../kit/world.ts';

type Spec = Parameters<typeof aWebhookSource>[0];

const faults = (spec: Spec): string =>
  renderFieldErrors(webhookSourceKind.validate(aWebhookSource(spec), created()));
const STRIPE: Spec = { preset: 'stripe' };
const SCHEMES = ['basic', 'hmac', 'none', 'slack', 'standardWebhooks', 'stripe', 'token'];
const at = (...names: readonly string[]): string =>
  names.map((name) => `spec.verification.${name}`).join(', ');

describe('a WebhookSource', () => {
  it.each<readonly [string, Spec]>([
    ['a preset', STRIPE],
    ['a preset with another tolerance', { ...STRIPE, verification: { tolerance: 'PT1M' } }],
    ['a scheme', { verification: { hmac: { header: 'X-Sign', encoding: 'base64' } } }],
    ['no verification, when it is asked for', { secrets: [], verification: { none: {} } }],
    [
      'a mapping',
      {
        ...STRIPE,
        attributes: { type: { pointer: '/a~1b/0', prefix: 'x.', default: 'y' }, id: { header: 'X-Id' } },
      },
    ],
    ['a handshake', { ...STRIPE, handshake: { allowedOrigins: ['*', 'e.example.com'], allowedRate: 1 } }],
  ])('may have %s', (_, spec) => {
    expect(faults(spec)).toBe('');
  });

  it.each<readonly [Spec, string]>([
    [{}, `expected exactly one, got neither: spec.preset, ${at(...SCHEMES)}`],
    [{ verification: { slack: {}, token: {} } }, `expected exactly one, got both: ${at('slack', 'token')}`],
    [{ ...STRIPE, verification: { slack: {} } }, `must not set the field(s): ${at('slack')}`],
    [{ ...STRIPE, secrets: [] }, 'missing field(s): spec.secrets'],
    [
      { ...STRIPE, secrets: [{ secretKeyRef: { name: 'a', key: '' } }] },
      'missing field(s): spec.secrets[0].secretKeyRef.key',
    ],
    [{ verification: { none: {} } }, 'must not set the field(s): spec.secrets'],
    [{ verification: { hmac: {} } }, `missing field(s): ${at('hmac.header')}`],
    [{ verification: { hmac: { header: 'a b' } } }, `invalid value: a b: ${at('hmac.header')}`],
    [{ ...STRIPE, verification: { tolerance: '5m' } }, `invalid value: 5m: ${at('tolerance')}`],
    [{ ...STRIPE, verification: { tolerance: 'PT0S' } }, `invalid value: PT0S: ${at('tolerance')}`],
    [{ ...STRIPE, dedupeWindow: 'P2D' }, 'invalid value: P2D: spec.dedupeWindow'],
    [
      { ...STRIPE, attributes: { type: {} } },
      'expected exactly one, got neither: spec.attributes.type.header, spec.attributes.type.pointer, spec.attributes.type.value',
    ],
    [
      { ...STRIPE, attributes: { type: { value: 'a', header: 'b' } } },
      'expected exactly one, got both: spec.attributes.type.header, spec.attributes.type.value',
    ],
    [
      { ...STRIPE, attributes: { type: { value: 'a', prefix: 'b' } } },
      'must not set the field(s): spec.attributes.type.prefix',
    ],
    [
      { ...STRIPE, attributes: { type: { pointer: 'type' } } },
      'invalid value: type: spec.attributes.type.pointer',
    ],
    [
      { ...STRIPE, attributes: { type: { pointer: '/a~2' } } },
      'invalid value: /a~2: spec.attributes.type.pointer',
    ],
    [
      { ...STRIPE, attributes: { source: { value: 'a b' } } },
      'invalid value: a b: spec.attributes.source.value',
    ],
    [{ ...STRIPE, attributes: { id: { value: '1' } } }, 'invalid value: 1: spec.attributes.id.value'],
    [
      { ...STRIPE, attributes: { extensions: { 'my-name': { value: 'x' } } } },
      'invalid value: my-name: spec.attributes.extensions',
    ],
    [
      { ...STRIPE, attributes: { extensions: { it: { value: 'a\nb' } } } },
      'invalid value: a\nb: spec.attributes.extensions[it].value',
    ],
    [{ ...STRIPE, handshake: {} }, 'missing field(s): spec.handshake.allowedOrigins'],
    [
      { ...STRIPE, handshake: { allowedOrigins: ['https://e.example.com'] } },
      'invalid value: https://e.example.com: spec.handshake.allowedOrigins[0]',
    ],
    [
      { ...STRIPE, handshake: { allowedOrigins: ['*'], allowedRate: 0 } },
      'invalid value: 0: spec.handshake.allowedRate',
    ],
  ])('is refused with %j: %s', (spec, text) => {
    expect(faults(spec)).toContain(text);
  });

  it('warns of what anybody can send to, and of SHA-1', () => {
    const warnings = (spec: Spec): string => (webhookSourceKind.warn?.(aWebhookSource(spec)) ?? []).join();
    expect(warnings({ verification: { none: {} } })).toContain('whoever knows the address');
    expect(warnings({ verification: { hmac: { header: 'X', algorithm: 'sha1' } } })).toContain(
      'sha1 is weak',
    );
    expect(warnings(STRIPE)).toBe('');
  });

  it('says what its HMAC is when nothing was said', () => {
    const source = aWebhookSource({ verification: { hmac: { header: 'X' } } });
    expect(source.spec.verification).toEqual({ hmac: { header: 'X', encoding: 'hex', algorithm: 'sha256' } });
    expect(webhookSourceKind.setDefaults(source, created())).toEqual(source);
  });
});

it('every manifest of its page is admitted', () => {
  const page = readFileSync(new URL('../../../docs/sources/webhook.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = '']) => parse(text) as object);
  const [whole, part] = blocks as [WebhookSource, Spec];
  expect(blocks).toHaveLength(2);
  expect(faults(whole.spec)).toBe('');
  expect(faults(part)).toBe('');
});
