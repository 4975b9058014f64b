import { describe, expect, it } from 'vitest';
import { domainConfig, domainFault, domainFor } from '../../../src/apis/networking/domain-config.ts';

const CONFIG = domainConfig({
  _example: 'anything: {',
  'fallback.example': '',
  'b.prod.example': 'selector:\n  app: prod\n',
  'a.prod.example': '{selector: {app: prod}}',
  'v2.example': 'selector:\n  app: prod\n  version: v2\n',
});

describe('config-domain', () => {
  it.each([
    [{ app: 'prod', version: 'v2' }, 'v2.example'],
    [{ app: 'prod' }, 'a.prod.example'],
    [{ app: 'prod', version: 'v1' }, 'a.prod.example'],
    [{ version: 'v2' }, 'fallback.example'],
    [{}, 'fallback.example'],
  ])(
    'gives what has labels %j the domain %s: the most asked for, then the first by name',
    (labels, domain) => {
      expect(domainFor(CONFIG, labels)).toBe(domain);
    },
  );

  it('has no domain for what nothing selects', () => {
    const config = domainConfig({ 'prod.example': 'selector:\n  app: prod\n' });
    expect(domainFor(config, { app: 'test' })).toBeUndefined();
    expect(domainFor(config, JSON.parse('{"__proto__": {"app": "prod"}}'))).toBeUndefined();
    expect(domainFor(domainConfig({}), {})).toBeUndefined();
  });

  it.each([
    ['just text', 'json: cannot unmarshal string into Go value of type config.domainInternalConfig'],
    [
      'selector: x',
      'cannot unmarshal string into Go struct field domainInternalConfig.selector of type map[string]string',
    ],
    [
      'selector: {a: [1]}',
      'cannot unmarshal array into Go struct field domainInternalConfig.selector of type string',
    ],
    ['selector: [', 'error converting YAML to JSON: yaml: '],
  ])('%j is refused', (text, fault) => {
    expect(domainFault({ 'example.com': text })).toContain(fault);
  });
});
