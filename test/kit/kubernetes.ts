import type { Resource } from '../../src/apis/resource.ts';
import { API_SERVER_SOURCE, type ApiServerSource } from '../../src/apis/sources/api-server-source/schema.ts';
import { PlatformError } from '../../src/base/errors.ts';
import type { EmbeddedClient } from '../../src/control/embedded/embedded-client.ts';
import { embeddedCluster } from '../../src/control/embedded/embedded-cluster.ts';
import type { Change, KindName, ResourceReader, WatchOptions } from '../../src/control/resource-client.ts';
import type { WatchedCluster } from '../../src/control/watched-cluster.ts';

/** One that watches the ConfigMaps of its namespace, in Resource mode. */
export function anApiServerSource(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
  annotations: Readonly<Record<string, string>> = {},
): ApiServerSource {
  return {
    ...API_SERVER_SOURCE,
    metadata: { name, namespace: 'default', annotations },
    spec: {
      resources: [{ apiVersion: 'v1', kind: 'ConfigMap' }],
      mode: 'Resource',
      sink: { uri: 'http://sink.example/' },
      ...spec,
    },
  } as ApiServerSource;
}

export function aConfigMap(
  name: string,
  more: {
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly value?: string;
  } = {},
): Resource {
  const { namespace = 'default', labels = {}, value = '' } = more;
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels },
    data: { value },
  };
  return object;
}

/** A cluster that can be cut off, brought back, and made to forget what happened before. */
export class CuttableCluster implements WatchedCluster {
  readonly url = 'https://cluster.test:6443';
  readonly #reader: ResourceReader;
  readonly #kinds: WatchedCluster;
  #cut = new AbortController();
  #isAway = false;
  /** Watches that are asked to go on from an old version are refused, once each. */
  hasForgotten = false;
  lists = 0;

  constructor(client: EmbeddedClient) {
    this.#reader = client;
    this.#kinds = embeddedCluster(client, this.url);
  }

  goAway(): void {
    this.#isAway = true;
    this.#cut.abort();
  }

  comeBack(): void {
    this.#isAway = false;
    this.#cut = new AbortController();
  }

  get reader(): ResourceReader {
    return {
      find: (kind, namespace, name) => this.#reader.find(kind, namespace, name),
      list: async (kind, namespace, selector) => {
        this.#mustBeThere();
        this.lists += 1;
        this.hasForgotten = false;
        return this.#reader.list(kind, namespace, selector);
      },
      watch: (kind, options) => this.#watch(kind, options),
    };
  }

  isNamespaced(kind: KindName): Promise<boolean | undefined> {
    return this.#kinds.isNamespaced(kind);
  }

  refused: WatchedCluster['refused'] = async () => ({ user: 'tester', refused: [] });
  close = async (): Promise<void> => undefined;

  async *#watch(kind: KindName, options: WatchOptions): AsyncGenerator<Change> {
    this.#mustBeThere();
    if (this.hasForgotten)
      throw new PlatformError('EXPIRED', 'too old resource version', { retryable: true });
    const cut = this.#cut.signal;
    const signal = AbortSignal.any([options.signal, cut]);
    yield* this.#reader.watch(kind, { ...options, signal });
    if (cut.aborted) this.#mustBeThere();
  }

  #mustBeThere(): void {
    if (this.#isAway)
      throw new PlatformError('CLUSTER_UNREACHABLE', 'connect ECONNREFUSED 127.0.0.1:6443', {
        retryable: true,
      });
  }
}
