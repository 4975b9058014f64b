import { isDeepStrictEqual } from 'node:util';
import { selectorText, type LabelSelector } from '../../apis/label-selector.ts';
import type { Resource } from '../../apis/resource.ts';
import { PlatformError } from '../../base/errors.ts';
import {
  goneMeanwhile,
  wasStored,
  type Change,
  type KindName,
  type ResourceClient,
  type WatchOptions,
} from '../resource-client.ts';
import { unreachable, type Asked, type Connection } from './connection.ts';
import type { Discovery, ServedKind } from './discovery.ts';
import { isResource, watchLines } from './watch-stream.ts';

type List = {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly Resource[];
};
type Stored = Resource & { readonly status?: unknown };

const PAGE_MAX = 250;
const PAGES_MAX = 4000;
const TRIES_MAX = 5;
/** How long one watch is asked to last: it is renewed, at a time of its own, before a proxy between loses patience. */
const WATCH_SECONDS = 300;
/** A server that ends watches at once is asked again later. */
const WATCH_MS_MIN = 1000;

/** An API server by HTTP, as reconcilers and sources see it. */
export class ClusterClient implements ResourceClient {
  readonly #connection: Connection;
  readonly #discovery: Discovery;

  constructor(connection: Connection, discovery: Discovery) {
    this.#connection = connection;
    this.#discovery = discovery;
  }

  async find<R extends Resource>(
    kind: KindName,
    namespace: string | undefined,
    name: string,
  ): Promise<R | undefined> {
    const served = await this.#discovery.served(kind);
    return this.#find<R>(objectPath(served, namespace, name));
  }

  async list<R extends Resource>(
    kind: KindName,
    namespace?: string,
    selector?: LabelSelector,
  ): Promise<{ items: readonly R[]; resourceVersion: string }> {
    const served = await this.#discovery.served(kind);
    const items: R[] = [];
    let next: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const query = { limit: String(PAGE_MAX), labelSelector: textOf(selector), continue: next };
      const list = await this.#connection.ask<List>({ path: listPath(served, namespace, query) });
      for (const item of this.#itemsOf(list)) items.push({ ...item, ...kind } as R); // lists leave the kind out
      const { resourceVersion = '', continue: more } = list.metadata ?? {};
      if (!more) return { items, resourceVersion };
      next = more;
    }
    throw unreachable(this.#connection.server, `the list of ${kind.kind} does not end`);
  }

  async *watch(
    kind: KindName,
    { since, signal, namespace, selector, onProgress }: WatchOptions,
  ): AsyncGenerator<Change> {
    const served = await this.#discovery.served(kind);
    await this.#refuseLostVersion(served, namespace, since, signal);
    let version = since;
    while (!signal.aborted) {
      const openedMs = Date.now();
      const query = {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: version,
        timeoutSeconds: String(Math.round(WATCH_SECONDS * (1 + Math.random()))),
        labelSelector: textOf(selector),
      };
      const path = listPath(served, namespace, query);
      const onOpen = (): void => onProgress?.(version);
      for await (const { type, object } of watchLines(this.#connection, { path, signal, onOpen })) {
        version = object.metadata.resourceVersion ?? version;
        if (type === 'BOOKMARK') onProgress?.(version);
        else yield { type, object };
        if (signal.aborted) return;
      }
      if (!signal.aborted && Date.now() - openedMs < WATCH_MS_MIN)
        throw unreachable(this.#connection.server, 'the watch was ended at once');
    }
  }

  async apply<R extends Resource>(desired: R): Promise<R> {
    const { namespace, name, resourceVersion } = desired.metadata;
    const served = await this.#discovery.served(desired);
    const path = objectPath(served, namespace, name);
    for (let tries = 1; ; tries += 1) {
      try {
        const stored = await this.#find<Stored>(path);
        if (stored === undefined && wasStored(desired)) throw goneMeanwhile(desired);
        if (stored === undefined) return await this.#create(served, desired);
        const next = replacing(stored, desired);
        if (isDeepStrictEqual(next, stored)) return stored as Resource as R; // W1
        return await this.#connection.ask<R>({ method: 'PUT', path, body: next });
      } catch (error) {
        const isLost =
          isCode(error, 'CONFLICT') || isCode(error, 'ALREADYEXISTS') || isCode(error, 'NOTFOUND');
        if (!isLost || resourceVersion !== undefined || tries >= TRIES_MAX) throw error;
      }
    }
  }

  async patchStatus<R extends Resource & { readonly status?: unknown }>(object: R): Promise<R> {
    const { namespace, name, resourceVersion } = object.metadata;
    const path = objectPath(await this.#discovery.served(object), namespace, name);
    for (let tries = 1; ; tries += 1) {
      const stored = await this.#connection.ask<Stored>({ path });
      const metadata = { ...stored.metadata, ...(resourceVersion !== undefined && { resourceVersion }) };
      const body = { ...stored, metadata, status: object.status };
      if (isDeepStrictEqual(body, stored)) return stored as Resource as R; // W2
      try {
        return await this.#connection.ask<R>({ method: 'PUT', path: `${path}/status`, body });
      } catch (error) {
        if (!isCode(error, 'CONFLICT') || resourceVersion !== undefined || tries >= TRIES_MAX) throw error;
      }
    }
  }

  async remove(kind: KindName, namespace: string | undefined, name: string): Promise<void> {
    const path = objectPath(await this.#discovery.served(kind), namespace, name);
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' };
    await this.#unlessAbsent({ method: 'DELETE', path, body }); // W3
  }

  #find<R extends Resource>(path: string): Promise<R | undefined> {
    return this.#unlessAbsent<R>({ path });
  }

  async #unlessAbsent<Answer>(asked: Asked): Promise<Answer | undefined> {
    try {
      return await this.#connection.ask<Answer>(asked);
    } catch (error) {
      if (isCode(error, 'NOTFOUND')) return undefined;
      throw error;
    }
  }

  #create<R extends Resource>(served: ServedKind, desired: R): Promise<R> {
    const { status: _, ...body } = desired as R & { status?: unknown };
    const path = listPath(served, desired.metadata.namespace, {});
    return this.#connection.ask<R>({ method: 'POST', path, body });
  }

  /** A server that was set back to an earlier state would take such a version for one of the future, and wait for it. */
  async #refuseLostVersion(
    served: ServedKind,
    namespace: string | undefined,
    since: string,
    signal: AbortSignal,
  ): Promise<void> {
    const path = listPath(served, namespace, { limit: '1' });
    const { metadata } = await this.#connection.ask<List>({ path, signal });
    const newest = metadata?.resourceVersion ?? '';
    if (!/^\d+$/.test(since) || !/^\d+$/.test(newest) || BigInt(since) <= BigInt(newest)) return;
    const message = `resource version ${since} is not known: the newest is ${newest}`;
    throw new PlatformError('EXPIRED', message, { retryable: true });
  }

  #itemsOf({ items }: List): readonly Resource[] {
    if (items === undefined || items === null) return [];
    if (Array.isArray(items) && items.every(isResource)) return items;
    throw unreachable(this.#connection.server, 'its list holds what are no objects');
  }
}

function listPath(
  { path, plural, isNamespaced }: ServedKind,
  namespace: string | undefined,
  query: Readonly<Record<string, string | undefined>>,
): string {
  const inNamespace =
    isNamespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const asked = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const text = new URLSearchParams(asked).toString();
  return `${path}${inNamespace}/${plural}${text === '' ? '' : `?${text}`}`;
}

const objectPath = (served: ServedKind, namespace: string | undefined, name: string): string =>
  `${listPath(served, namespace, {})}/${encodeURIComponent(name)}`;

const textOf = (selector: LabelSelector | undefined): string | undefined =>
  selector && selectorText(selector);

/** What is desired, over what the server itself has put into the metadata; its status stays. */
function replacing(stored: Stored, desired: Resource): Stored {
  const { uid: _uid, creationTimestamp: _creation, generation: _generation, ...own } = desired.metadata;
  const metadata = { ...stored.metadata, ...own };
  const { status } = stored;
  const { status: _status, ...rest } = desired as Stored;
  return { ...rest, metadata, ...(status !== undefined && { status }) };
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof PlatformError && error.code === code;
