import { Http2Client } from '../../http/http2-client.ts';
import type { Instance } from '../runtime/runtime.ts';

/** The connections of HTTP/2 to instances, made when first asked for; they end with the instance. */
export class InstanceLinks {
  readonly #clients = new WeakMap<Instance, Http2Client>();

  to(instance: Instance): Http2Client {
    const known = this.#clients.get(instance);
    if (known !== undefined) return known;
    const client = new Http2Client('127.0.0.1', instance.port);
    this.#clients.set(instance, client);
    void instance.ended.then(() => client.destroy());
    return client;
  }
}
