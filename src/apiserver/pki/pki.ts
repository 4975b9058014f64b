import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pair } from './issue.ts';

/** PEM texts: what the API listener and the administrator's kubeconfig need. */
export type Pki = {
  readonly caCert: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly adminCert: string;
  readonly adminKey: string;
};

const DAY_MS = 86_400_000;
/** A certificate with less left than this is made anew at start. */
const RENEW_DAYS = 30;

/**
 * The platform's own certificate authority and what it has signed, kept in `folder` (mode 0700, keys 0600), made or
 * renewed where needed. `hosts` are the names and addresses that the API answers by.
 */
export async function openPki(folder: string, hosts: readonly string[], nowMs: number): Promise<Pki> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // What issues certificates is loaded when one has to be issued: 110 ms and 20 MB that most starts do not need.
  const issue = async () => import('./issue.ts');
  const ca = await loadOr(folder, 'ca', { nowMs, hosts: [], caCert: undefined }, async () =>
    (await issue()).issueCa(nowMs),
  );
  const server = await loadOr(folder, 'server', { nowMs, hosts, caCert: ca.cert }, async () =>
    (await issue()).issueServer(ca, nowMs, hosts),
  );
  const admin = await loadOr(folder, 'admin', { nowMs, hosts: [], caCert: ca.cert }, async () =>
    (await issue()).issueClient(ca, nowMs, 'O=system:masters, CN=admin'),
  );
  return {
    caCert: ca.cert,
    serverCert: server.cert,
    serverKey: server.key,
    adminCert: admin.cert,
    adminKey: admin.key,
  };
}

async function loadOr(
  folder: string,
  name: string,
  wanted: Wanted,
  make: () => Promise<Pair>,
): Promise<Pair> {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (existsSync(certFile) && existsSync(keyFile)) {
    const pair = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    if (isStillGood(pair.cert, wanted)) return pair;
  }
  const pair = await make();
  replace(keyFile, pair.key);
  replace(certFile, pair.cert);
  return pair;
}

type Wanted = {
  readonly nowMs: number;
  readonly hosts: readonly string[];
  readonly caCert: string | undefined;
};

/** Not near its end, for all the names that are wanted, and signed by the authority that we have. */
function isStillGood(pem: string, { nowMs, hosts, caCert }: Wanted): boolean {
  const cert = new X509Certificate(pem);
  const isValid = Date.parse(cert.validTo) - nowMs > RENEW_DAYS * DAY_MS;
  const isOurs = caCert === undefined || cert.verify(new X509Certificate(caCert).publicKey);
  return isValid && isOurs && hosts.every((host) => cert.subjectAltName?.includes(host) === true);
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

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
