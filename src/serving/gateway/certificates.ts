import { createSecureContext, type SecureContext } from 'node:tls';

/** A certificate with its chain, and its key; one value for one version of a Secret. */
export type Certificate = { readonly cert: Buffer; readonly key: Buffer };

/** Contexts that are ready for use, some 20 KB each; of others one is made anew when it is asked for. */
const CONTEXTS_MAX = 1000;

/**
 * The certificates that the gateway shows, by the name that a client asks for.
 *   T1  an exact name goes before a wildcard, which stands for all names below; the longest before the others; the
 *       default is for what has none.
 *   T2  a change counts from the next handshake on; connections that are open go on with what they have.
 */
export class Certificates {
  readonly #byHost = new Map<string, Certificate>();
  readonly #contexts = new Map<Certificate, SecureContext>(); // the least recently used first
  #default: Certificate | undefined;

  /** Undefined: the host has none any more. */
  set(host: string, certificate: Certificate | undefined): void {
    if (certificate === undefined) this.#byHost.delete(host);
    else this.#byHost.set(host, certificate);
  }

  setDefault(certificate: Certificate | undefined): void {
    this.#default = certificate;
  }

  /** Undefined: there is nothing to show, and no connection comes about. */
  contextFor(host: string): SecureContext | undefined {
    const certificate = this.#find(host.toLowerCase());
    if (certificate === undefined) return undefined;
    const context = this.#contexts.get(certificate) ?? createSecureContext({ ...certificate });
    this.#contexts.delete(certificate);
    this.#contexts.set(certificate, context);
    const [oldest] = this.#contexts.keys();
    if (this.#contexts.size > CONTEXTS_MAX && oldest !== undefined) this.#contexts.delete(oldest);
    return context;
  }

  #find(host: string): Certificate | undefined {
    const exact = this.#byHost.get(host);
    if (exact !== undefined) return exact;
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const found = this.#byHost.get(`*${host.slice(dot)}`);
      if (found !== undefined) return found;
    }
    return this.#default;
  }
}
