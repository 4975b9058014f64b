import { describe, expect, it } from 'vitest';
import { childName, dns1035Fault, labelFault, subdomainFault } from '../../src/apis/names.ts';

const F63 = 'f'.repeat(63);

describe('the name of a child', () => {
  it('is the parent and the suffix while they fit into 63 characters', () => {
    expect(childName('asdf', '-deployment')).toBe('asdf-deployment');
    expect(childName('f'.repeat(52), '-deployment')).toBe(`${'f'.repeat(52)}-deployment`);
  });

  it('is what Knative makes of a long parent: its head, its hash, the suffix', () => {
    expect(childName(F63, '-deployment')).toBe(
      'ffffffffffffffffffff105d7597f637e83cc711605ac3ea4957-deployment',
    );
    expect(childName(F63, '-deploy')).toBe('ffffffffffffffffffffffff105d7597f637e83cc711605ac3ea4957-deploy');
  });

  it('keeps parents apart that differ only behind what is cut', () => {
    expect(childName(`${F63}a`, '-x')).not.toBe(childName(`${F63}b`, '-x'));
  });

  it('keeps long suffixes apart as well, within 63 characters and ending in a letter or digit', () => {
    const one = childName('shop', `-${'s'.repeat(70)}1`);
    const two = childName('shop', `-${'s'.repeat(70)}2`);
    expect(one).not.toBe(two);
    for (const name of [one, two, childName(F63, `-${F63}`), childName('a'.repeat(30), `-${F63}`)]) {
      expect(labelFault(name)).toBeUndefined();
    }
  });
});

describe('a name', () => {
  it('of a namespace is a DNS label, of a Knative service begins with a letter, of others may have dots', () => {
    expect([labelFault('1-a'), dns1035Fault('a-1'), subdomainFault('a.b-1')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(dns1035Fault('1-a')).toContain('a DNS-1035 label must consist of');
    expect(labelFault('a_b')).toContain('a lowercase RFC 1123 label must consist of');
    expect(labelFault('a.b')).toBe('must not contain dots');
    expect(subdomainFault('A')).toContain('a lowercase RFC 1123 subdomain must consist of');
  });

  it.each(['', '-a', 'a-', 'a..b', 'a_b', 'ä', 'a\n'])('%j is refused', (name) => {
    expect(subdomainFault(name)).toBeDefined();
    expect(labelFault(name)).toBeDefined();
  });

  it('that is too long is refused in apimachinery’s words', () => {
    expect(labelFault('a'.repeat(64))).toBe('must be no more than 63 characters');
    expect(subdomainFault('a'.repeat(254))).toBe('must be no more than 253 characters');
    expect(subdomainFault('a'.repeat(253))).toBeUndefined();
  });
});
