import { createSecureContext } from 'node:tls';
import { INGRESS, type Ingress } from '../../../apis/networking/ingress/types.ts';
import { keyOf } from '../../../apis/resource.ts';
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

/** Who asks for a host to be shown with which Secret; of several the oldest, as with the host itself. */
type Wish = { readonly ingress: string; readonly since: string; readonly secret: string };

/**
 * Follows the Secrets that Ingresses name for their hosts, and the default. A Secret whose certificate and key cannot be
 * shown, or are gone, leaves the last good ones where they are; its DomainMapping says what is wrong.
 */
export class CertificateFeeder {
  readonly #table: CertificateTable;
  readonly #informers: Informers;
  readonly #wishes = new Map<string, readonly Wish[]>(); // by host
  readonly #hosts = new KeyIndex(); // by Ingress, and by Secret
  readonly #good = new Map<string, Certificate>(); // by Secret

  constructor(table: CertificateTable, informers: Informers) {
    this.#table = table;
    this.#informers = informers;
  }

  start(): void {
    this.#informers.of(INGRESS).onChange((object, type) => {
      this.#followIngress(object as Ingress, type === 'DELETED'); // of the informer's kind
    });
    this.#informers.of(SECRET).onChange((secret) => this.#followSecret(keyOf(secret)));
  }

  #followIngress(ingress: Ingress, isGone: boolean): void {
    const key = keyOf(ingress);
    const { creationTimestamp: since = '' } = ingress.metadata;
    const wanted = new Map<string, Wish>();
    for (const { hosts = [], secretNamespace = '', secretName = '' } of isGone
      ? []
      : (ingress.spec.tls ?? []))
      for (const host of hosts)
        wanted.set(host, { ingress: key, since, secret: `${secretNamespace}/${secretName}` });
    for (const host of new Set([...this.#hosts.of(`ingress ${key}`), ...wanted.keys()]))
      this.#wish(host, key, wanted.get(host));
  }

  #wish(host: string, ingress: string, wish: Wish | undefined): void {
    const before = this.#wishes.get(host) ?? [];
    const others = before.filter((each) => each.ingress !== ingress);
    const now = wish === undefined ? others : [...others, wish].toSorted(byAge);
    if (now.length === 0) this.#wishes.delete(host);
    else this.#wishes.set(host, now);
    const groups = now.flatMap((each) => [`ingress ${each.ingress}`, `secret ${each.secret}`]);
    this.#hosts.set(host, [...new Set(groups)]);
    for (const { secret } of before) this.#forgetUnused(secret);
    this.#show(host);
  }

  #show(host: string): void {
    const [first] = this.#wishes.get(host) ?? [];
    this.#table.set(host, first && this.#certificateOf(first.secret));
  }

  #followSecret(key: string): void {
    const hosts = this.#hosts.of(`secret ${key}`);
    if (hosts.length === 0 && key !== DEFAULT_KEY) return;
    const certificate = this.#read(key);
    if (key === DEFAULT_KEY) this.#table.setDefault(certificate);
    for (const host of hosts) this.#show(host);
  }

  #forgetUnused(secret: string): void {
    const isUsed = secret === DEFAULT_KEY || this.#hosts.of(`secret ${secret}`).length > 0;
    if (!isUsed) this.#good.delete(secret);
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

const byAge = (a: Wish, b: Wish): number => (`${a.since} ${a.ingress}` < `${b.since} ${b.ingress}` ? -1 : 1);

function canBeShown(pem: Certificate): boolean {
  try {
    createSecureContext({ ...pem });
    return true;
  } catch {
    return false; // its key is another's, or it is none
  }
}
