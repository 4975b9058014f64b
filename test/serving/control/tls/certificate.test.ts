import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkCertificate, lookAgain, type Pem } from '../../../../src/serving/control/tls/certificate.ts';
import { makeCa, makeCertificate } from '../../../kit/certificates.ts';
import { temporaryFolder } from '../../../kit/folders.ts';

const folder = temporaryFolder('certificate');
makeCa(folder, 'ca');
const pemOf = ({ cert, key }: { cert: string; key: string }): Pem => ({
  cert: Buffer.from(cert),
  key: Buffer.from(key),
});
const good = pemOf(makeCertificate(folder, 'good', 'shop.example', '*.shop.example'));
const other = pemOf(makeCertificate(folder, 'other', 'other.example'));
const { validFrom, validTo } = new X509Certificate(good.cert);
const nowMs = Date.parse(validFrom) + 1000;

describe('a certificate', () => {
  it.each([['shop.example'], ['red.shop.example'], ['*.shop.example']])('covers %s', (host) => {
    expect(checkCertificate(good, [host], nowMs)).toEqual({ kind: 'good', untilMs: Date.parse(validTo) });
  });

  it.each([
    [
      'is not for the domain',
      good,
      ['shop.example', 'example'],
      nowMs,
      'CertificateNameMismatch',
      /does not cover example$/,
    ],
    [
      'has no wildcard for one',
      other,
      ['*.other.example'],
      nowMs,
      'CertificateNameMismatch',
      /DNS:other.example, and/,
    ],
    [
      'has another key',
      { ...good, key: other.key },
      ['shop.example'],
      nowMs,
      'CertificateKeyMismatch',
      /tls.key is not/,
    ],
    ['has expired', good, ['shop.example'], Date.parse(validTo), 'CertificateExpired', /has expired on/],
    ['is not valid yet', good, ['shop.example'], nowMs - 2000, 'CertificateNotYetValid', /is valid from/],
    [
      'is none',
      { ...good, cert: Buffer.from('x') },
      [],
      nowMs,
      'CertificateInvalid',
      /tls.crt is no certificate/,
    ],
    [
      'has no key',
      { ...good, key: Buffer.from('x') },
      [],
      nowMs,
      'CertificateInvalid',
      /tls.key is no private key/,
    ],
  ])('that %s is told', (_, pem, hosts, atMs, reason, message) => {
    expect(checkCertificate(pem, hosts, atMs)).toEqual({
      kind: 'bad',
      reason,
      message: expect.stringMatching(message),
    });
  });

  it('is looked at again when it ends, and every day', () => {
    expect(lookAgain(10_000, 4000)).toEqual({ afterMs: 7000 });
    expect(lookAgain(10 * 86_400_000, 0)).toEqual({ afterMs: 86_400_000 });
  });
});
