import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** PEM texts: what the API listener and the administrator's kubeconfig need. */
export type Pki = {
  readonly caCert: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly adminCert: string;
  readonly adminKey: string;
};

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const LEAF_DAYS = 365;
/** A certificate with less left than this is made anew at start. */
const RENEW_DAYS = 30;

type Signer = { readonly cert: x509.X509Certificate; readonly key: CryptoKey };
type CryptoKey = webcrypto.CryptoKey;

/**
 * The platform's own certificate authority and what it has signed, kept in `folder` (mode 0700, keys 0600), made or
 * renewed where needed. `hosts` are the names and addresses that the API answers by.
 */
export async function openPki(folder: string, hosts: readonly string[], nowMs: number): Promise<Pki> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]); // Node's own, by another name
  const ca = await loadOr(folder, 'ca', nowMs, [], () => makeCa(nowMs));
  const signer = { cert: new x509.X509Certificate(ca.cert), key: await importKey(ca.key) };
  const server = await loadOr(folder, 'server', nowMs, hosts, () =>
    makeLeaf(signer, nowMs, 'CN=millrace', hosts),
  );
  const admin = await loadOr(folder, 'admin', nowMs, [], () =>
    makeLeaf(signer, nowMs, 'O=system:masters, CN=admin', undefined),
  );
  return {
    caCert: ca.cert,
    serverCert: server.cert,
    serverKey: server.key,
    adminCert: admin.cert,
    adminKey: admin.key,
  };
}

type Pair = { readonly cert: string; readonly key: string };

async function loadOr(
  folder: string,
  name: string,
  nowMs: number,
  hosts: readonly string[],
  make: () => Promise<Pair>,
): Promise<Pair> {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (existsSync(certFile) && existsSync(keyFile)) {
    const pair = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    if (isStillGood(pair.cert, nowMs, hosts)) return pair;
  }
  const pair = await make();
  replace(keyFile, pair.key);
  replace(certFile, pair.cert);
  return pair;
}

function isStillGood(pem: string, nowMs: number, hosts: readonly string[]): boolean {
  const cert = new X509Certificate(pem);
  const isValid = Date.parse(cert.validTo) - nowMs > RENEW_DAYS * DAY_MS;
  return isValid && hosts.every((host) => cert.subjectAltName?.includes(host) === true);
}

async function makeCa(nowMs: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=millrace-ca',
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: cert.toString('pem'), key: await exportKey(keys.privateKey) };
}

/** For a server when it has hosts, else for a client. */
async function makeLeaf(
  ca: Signer,
  nowMs: number,
  subject: string,
  hosts: readonly string[] | undefined,
): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const usage = hosts === undefined ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const names = (hosts ?? []).map((value) => ({
    type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const),
    value,
  }));
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: ca.cert.subject,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + LEAF_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: ca.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: cert.toString('pem'), key: await exportKey(keys.privateKey) };
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

async function exportKey(key: CryptoKey): Promise<string> {
  const base64 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${base64.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
}

function importKey(pem: string): Promise<CryptoKey> {
  const bytes = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return webcrypto.subtle.importKey('pkcs8', bytes, ALGORITHM, true, ['sign']);
}

const serial = (): string =>
  Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString('hex')
    .replace(/^[89a-f]/, '7');

/** What `kubectl` reads; mode 0600, since it holds the administrator's key. */
export function writeKubeconfig(file: string, server: string, { caCert, adminCert, adminKey }: Pki): void {
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64');
  replace(
    file,
    `apiVersion: v1
kind: Config
current-context: millrace
clusters:
- name: millrace
  cluster:
    server: ${server}
    certificate-authority-data: ${base64(caCert)}
users:
- name: admin
  user:
    client-certificate-data: ${base64(adminCert)}
    client-key-data: ${base64(adminKey)}
contexts:
- name: millrace
  context:
    cluster: millrace
    namespace: default
    user: admin
`,
  );
}
