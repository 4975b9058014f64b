import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate authority `name.pem`, `name.key` in the folder; its certificate. */
export function makeCa(folder: string, name: string): string {
  const subject = ['-subj', `/CN=Millrace test ${name}`, '-days', '2', '-nodes'];
  openssl(
    folder,
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
    ...subject,
  );
  return readFileSync(join(folder, `${name}.pem`), 'utf8');
}

/** `server.pem` and `server.key` of localhost, by `ca`. */
export function makeServerCertificate(folder: string): void {
  const request = ['-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr'];
  openssl(folder, 'req', ...request, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost');
  const signing = [
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '2',
    '-copy_extensions',
    'copy',
  ];
  openssl(folder, 'x509', '-req', '-in', 'server.csr', ...signing, '-out', 'server.pem');
  chmodSync(join(folder, 'server.key'), 0o644);
}

/** `file.pem` and `file.key` for some names, by `ca`; what they hold. */
export function makeCertificate(
  folder: string,
  file: string,
  ...names: string[]
): { cert: string; key: string } {
  const alternatives = names.map((name) => `DNS:${name}`).join(',');
  const request = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const named = ['-subj', `/CN=${file}`, '-addext', `subjectAltName=${alternatives}`];
  openssl(folder, 'req', ...request, '-keyout', `${file}.key`, '-out', `${file}.csr`, ...named);
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  const copied = ['-copy_extensions', 'copy'];
  openssl(folder, 'x509', '-req', '-in', `${file}.csr`, ...signing, ...copied, '-out', `${file}.pem`);
  const read = (ending: string): string => readFileSync(join(folder, `${file}.${ending}`), 'utf8');
  return { cert: read('pem'), key: read('key') };
}

function openssl(folder: string, ...words: string[]): void {
  execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
}
