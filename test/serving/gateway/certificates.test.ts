import { describe, expect, it } from 'vitest';
import { Certificates } from '../../../src/serving/gateway/certificates.ts';
import { makeCa, makeCertificate } from '../../kit/certificates.ts';
import { temporaryFolder } from '../../kit/folders.ts';

const folder = temporaryFolder('certificates');
makeCa(folder, 'ca');
const certificate = (name: string): { cert: Buffer; key: Buffer } => {
  const { cert, key } = makeCertificate(folder, name, `${name}.example`);
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
};
const [one, two, rest] = [certificate('one'), certificate('two'), certificate('rest')];

describe('the certificates of the gateway', () => {
  it('are shown by name, the exact before the longest wildcard, and the default to all others (T1)', () => {
    const all = new Certificates();
    expect(all.contextFor('shop.example')).toBeUndefined();
    all.setDefault(rest);
    all.set('*.shop.example', one);
    all.set('eu.shop.example', two);
    const of = (host: string): unknown => all.contextFor(host);
    const [wild, exact, usual] = [of('a.shop.example'), of('eu.shop.example'), of('else.example')];
    expect(new Set([wild, exact, usual]).size).toBe(3);
    expect(of('b.a.shop.example')).toBe(wild);
    expect(of('EU.shop.example')).toBe(exact);
    expect(of('shop.example')).toBe(usual);
  });

  it('are made ready once, and anew when they change (T2)', () => {
    const all = new Certificates();
    all.set('a.example', one);
    all.set('b.example', one);
    const first = all.contextFor('a.example');
    expect(all.contextFor('b.example')).toBe(first);
    all.set('a.example', { ...one });
    expect(all.contextFor('a.example')).not.toBe(first);
    expect(all.contextFor('b.example')).toBe(first);
    all.set('b.example', undefined);
    expect(all.contextFor('b.example')).toBeUndefined();
  });
});
