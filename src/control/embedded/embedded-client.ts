import { PlatformError } from '../../base/errors.ts';
import { groupOf, type KindRegistry } from '../../apis/registry.ts';
import { isSelected, type LabelSelector } from '../../apis/label-selector.ts';
import type { Resource } from '../../apis/resource.ts';
import { ApiError } from '../../apiserver/storage/api-error.ts';
import type { ObjectKey, ResourceStore } from '../../apiserver/storage/resource-store.ts';
import {
  goneMeanwhile,
  wasStored,
  type Change,
  type KindName,
  type ResourceClient,
  type WatchOptions,
} from '../resource-client.ts';

type ServedStore = ResourceStore & { readonly kinds: KindRegistry };

/** Our own controllers' way to the embedded API: no HTTP, the same admission, as the user `user`. */
export class EmbeddedClient implements ResourceClient {
  readonly #store: ServedStore;
  readonly #writer: { readonly user: string };

  constructor(store: ServedStore, user: string) {
    this.#store = store;
    this.#writer = { user };
  }

  get user(): string {
    return this.#writer.user;
  }

  /** Undefined of a kind that is not served. */
  isNamespaced({ apiVersion, kind }: KindName): boolean | undefined {
    const definition = this.#store.kinds.byKind({ group: groupOf(apiVersion), kind });
    return definition && definition.scope === 'Namespaced';
  }

  async find<R extends Resource>(
    kind: KindName,
    namespace: string | undefined,
    name: string,
  ): Promise<R | undefined> {
    const key = keyOf(kind, namespace, name);
    if (this.#store.kinds.byKind(key) === undefined) {
      const message = `the server could not find the requested resource (${kind.kind} in ${kind.apiVersion})`;
      throw new ApiError(404, 'NotFound', message); // W4
    }
    return this.#store.find(key) as R | undefined; // as its kind names it
  }

  async list<R extends Resource>(
    { apiVersion, kind }: KindName,
    namespace?: string,
    selector?: LabelSelector,
  ): Promise<{ items: readonly R[]; resourceVersion: string }> {
    const selection = { group: groupOf(apiVersion), kind, namespace, matches: matchesOf(selector) };
    const { items, resourceVersion } = this.#store.list(selection);
    return { items: items as readonly R[], resourceVersion };
  }

  async *watch(
    { apiVersion, kind }: KindName,
    { since, signal, namespace, selector, onProgress }: WatchOptions,
  ): AsyncGenerator<Change> {
    const selection = { group: groupOf(apiVersion), kind, namespace, matches: matchesOf(selector) };
    try {
      const events = this.#store.watch({ ...selection, since, signal });
      onProgress?.(since);
      for await (const event of events) {
        if (event.type !== 'BOOKMARK') yield event;
      }
    } catch (error) {
      if (!(error instanceof ApiError) || error.httpCode !== 410) throw error;
      throw new PlatformError('EXPIRED', error.message, { retryable: true, cause: error });
    }
  }

  async apply<R extends Resource>(desired: R): Promise<R> {
    const { namespace, name } = desired.metadata;
    const key = keyOf(desired, namespace, name);
    const write = { writer: this.#writer };
    if (this.#store.find(key) === undefined) {
      if (wasStored(desired)) throw goneMeanwhile(desired);
      try {
        return (await this.#store.create(desired, write)) as R;
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
      }
    }
    return (await this.#store.update(
      key,
      (stored) => ({ ...desired, metadata: { ...stored.metadata, ...withVersion(desired.metadata) } }),
      write,
    )) as R;
  }

  async patchStatus<R extends Resource & { readonly status?: unknown }>(object: R): Promise<R> {
    const { namespace, name } = object.metadata;
    const key = keyOf(object, namespace, name);
    const change = (stored: Resource): Resource =>
      ({
        ...stored,
        metadata: { ...stored.metadata, ...versionOf(object) },
        status: object.status,
      }) as Resource;
    return (await this.#store.update(key, change, { writer: this.#writer, part: 'status' })) as R;
  }

  async remove(kind: KindName, namespace: string | undefined, name: string): Promise<void> {
    try {
      await this.#store.remove(keyOf(kind, namespace, name), { writer: this.#writer });
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error; // W3
    }
  }
}

function matchesOf(selector: LabelSelector | undefined): ((object: Resource) => boolean) | undefined {
  return selector && (({ metadata }) => isSelected(selector, metadata.labels));
}

function keyOf({ apiVersion, kind }: KindName, namespace: string | undefined, name: string): ObjectKey {
  return { group: groupOf(apiVersion), kind, namespace, name };
}

/** What is desired of the metadata; the server's own fields stay, an absent version means any. */
function withVersion({
  uid: _uid,
  creationTimestamp: _creation,
  generation: _generation,
  resourceVersion,
  ...own
}: Resource['metadata']): Resource['metadata'] {
  return resourceVersion === undefined ? own : { ...own, resourceVersion };
}

function versionOf({ metadata: { resourceVersion } }: Resource): { resourceVersion?: string } {
  return resourceVersion === undefined ? {} : { resourceVersion };
}
