import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { messageOf } from '../../../base/errors.ts';
import type { ResourceReader } from '../../../control/resource-client.ts';
import { keysOf } from '../objects-of.ts';

/** A certificate with its chain, and its key, as a `kubernetes.io/tls` Secret has them. */
export type Pem = { readonly cert: Buffer; readonly key: Buffer };
export type SecretName = { readonly namespace: string; readonly name: string };

/** What answers for hosts that have no certificate of their own. */
export const DEFAULT_CERTIFICATE: SecretName = { namespace: 'knative-serving', name: 'gateway-tls' };

/** Whether a certificate can be shown for all of some hosts, and until when. */
export type Checked =
  | { readonly kind: 'good'; readonly untilMs: number }
  | { readonly kind: 'bad'; readonly reason: string; readonly message: string };

/** Reads a Secret and looks at its certificate as a client would that trusts its issuer. */
export async function checkSecret(
  reader: ResourceReader,
  { namespace, name }: SecretName,
  hosts: readonly string[],
  nowMs: number,
): Promise<Checked> {
  const keys = await keysOf(reader, namespace, 'Secret', name);
  const pem = keys && pemIn(keys);
  const which = `Secret ${namespace}/${name}`;
  if (keys === undefined) return bad('CertificateMissing', `${which} is not there`);
  if (pem === undefined)
    return bad(
      'CertificateMissing',
      `${which} has no tls.crt and tls.key; it is made by kubectl create secret tls`,
    );
  const checked = checkCertificate(pem, hosts, nowMs);
  return checked.kind === 'good' ? checked : bad(checked.reason, `${which}: ${checked.message}`);
}

export function pemIn(keys: Readonly<Record<string, Buffer>>): Pem | undefined {
  const { 'tls.crt': cert, 'tls.key': key } = keys;
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

export function checkCertificate({ cert, key }: Pem, hosts: readonly string[], nowMs: number): Checked {
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    return bad('CertificateInvalid', `tls.crt is no certificate in PEM: ${messageOf(error)}`);
  }
  try {
    privateKey = createPrivateKey(key);
  } catch (error) {
    return bad('CertificateInvalid', `tls.key is no private key in PEM: ${messageOf(error)}`);
  }
  if (!certificate.checkPrivateKey(privateKey))
    return bad('CertificateKeyMismatch', 'tls.key is not the key of tls.crt');
  const [fromMs, untilMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  if (nowMs >= untilMs) return bad('CertificateExpired', `it has expired on ${certificate.validTo}`);
  if (nowMs < fromMs) return bad('CertificateNotYetValid', `it is valid from ${certificate.validFrom} on`);
  const uncovered = hosts.find((host) => !covers(certificate, host));
  if (uncovered === undefined) return { kind: 'good', untilMs };
  const names = certificate.subjectAltName ?? certificate.subject;
  return bad('CertificateNameMismatch', `it is for ${names}, and does not cover ${uncovered}`);
}

/** A wildcard host needs a wildcard certificate: any one name below stands for all. */
function covers(certificate: X509Certificate, host: string): boolean {
  const name = host.startsWith('*.') ? `any${host.slice(1)}` : host;
  return certificate.checkHost(name) !== undefined;
}

function bad(reason: string, message: string): Extract<Checked, { kind: 'bad' }> {
  return { kind: 'bad', reason, message };
}

const DAY_MS = 24 * 3_600_000;

/** When a certificate is to be looked at again, at the latest. */
export function lookAgain(untilMs: number, nowMs: number): { readonly afterMs: number } {
  return { afterMs: Math.min(Math.max(untilMs - nowMs, 0) + 1000, DAY_MS) };
}
