import { createSecureContext } from 'node:tls';
import { INGRESS, type Ingress } from '../../../apis/networking/ingress/types.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import type { Informers } from '../../../control/informer.ts';
import { KeyIndex } from '../../../control/key-index.ts';
import type { Certificate } from '../../gateway/certificates.ts';
import { DEFAULT_CERTIFICATE, pemIn } from './certificate.ts';

/** What takes certificates by host: the gateway's. */
export type CertificateTable = {
  set(host: string, certificate: Certificate | undefined): void;
  setDefault(certificate: Certificate | undefined): void;
};

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const DEFAULT_KEY = `${DEFAULT_CERTIFICATE.namespace}/${DEFAULT_CERTIFICATE.name}`;

/**
 * Follows the Secrets that Ingresses name for their hosts, and the default. A Secret whose certificate and key cannot be
 * shown, or are gone, leaves the last good ones where they are; its DomainMapping says what is wrong.
 */
export class CertificateFeeder {
  readonly #table: CertificateTable;
  readonly #informers: Informers;
  readonly #hosts = new Map<string, readonly string[]>(); // by Ingress and Secret
  readonly #bySecret = new KeyIndex(); // those, by Secret
  readonly #good = new Map<string, Certificate>(); // by Secret

  constructor(table: CertificateTable, informers: Informers) {
    this.#table = table;
    this.#informers = informers;
  }

  start(): void {
    this.#informers.of(INGRESS).onChange((object, type) => {
      this.#followIngress(object as Ingress, type === 'DELETED'); // of the informer's kind
    });
    this.#informers.of(SECRET).onChange((secret) => this.#followSecret(secret));
  }

  #followIngress(ingress: Ingress, isGone: boolean): void {
    const key = keyOf(ingress);
    const before = this.#hosts.get(key) ?? [];
    const entries = isGone ? [] : (ingress.spec.tls ?? []);
    const now = new Map<string, string>();
    for (const { hosts = [], secretNamespace = '', secretName = '' } of entries)
      for (const host of hosts) now.set(host, `${secretNamespace}/${secretName}`);
    for (const host of before) if (!now.has(host)) this.#table.set(host, undefined);
    this.#hosts.set(key, [...now.keys()]);
    if (now.size === 0) this.#hosts.delete(key);
    this.#bySecret.set(key, [...new Set(now.values())]);
    for (const [host, secret] of now) this.#table.set(host, this.#certificateOf(secret));
  }

  #followSecret(secret: Resource): void {
    const key = keyOf(secret);
    const ingresses = this.#bySecret.of(key);
    if (ingresses.length === 0 && key !== DEFAULT_KEY) return void this.#good.delete(key);
    const certificate = this.#read(key);
    if (key === DEFAULT_KEY) this.#table.setDefault(certificate);
    for (const ingress of ingresses) {
      const object = this.#informers.of(INGRESS).get(ingress);
      if (object !== undefined) this.#followIngress(object as Ingress, false);
    }
  }

  #certificateOf(key: string): Certificate | undefined {
    return this.#good.get(key) ?? this.#read(key);
  }

  /** As it is now, or as it was when it was last good. */
  #read(key: string): Certificate | undefined {
    const secret = this.#informers.of(SECRET).get(key);
    const data = Object(secret && Reflect.get(secret, 'data')) as Record<string, string>; // by its schema
    const keys = Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    );
    const pem = pemIn(keys);
    if (pem !== undefined && canBeShown(pem)) this.#good.set(key, pem);
    return this.#good.get(key);
  }
}

function canBeShown(pem: Certificate): boolean {
  try {
    createSecureContext({ ...pem });
    return true;
  } catch {
    return false; // its key is another's, or it is none
  }
}
