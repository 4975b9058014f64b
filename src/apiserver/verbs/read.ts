import { apiVersionOf } from '../../apis/registry.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ApiRequest } from '../request.ts';
import { ApiError, badRequest, notFound } from '../storage/api-error.ts';
import type { ResourceStore, WatchEvent, WatchOptions } from '../storage/resource-store.ts';
import { tableOf } from '../table/table.ts';
import { selectorsOf } from './selectors.ts';
import { columnsIn, inVersion } from './versions.ts';
import { keyOf, type Target } from './write.ts';

const BOOKMARK_EVERY_MS = 60_000;
const WATCH_MAX_SECONDS = 3600;

export function get(store: ResourceStore, request: ApiRequest, target: Target, nowMs: number): unknown {
  const found = store.find(keyOf(target));
  if (found === undefined) throw notFound(target.kind, target.path.name ?? '');
  return (
    shown(request, target, [found], { resourceVersion: found.metadata.resourceVersion }, nowMs) ??
    inVersion(target, found)
  );
}

export function list(store: ResourceStore, request: ApiRequest, target: Target, nowMs: number): unknown {
  const { kind, path } = target;
  const { query } = request;
  const limit = query.get('limit');
  if (limit !== null && !/^\d{1,9}$/.test(limit))
    throw badRequest(`limit: ${JSON.stringify(limit)} is no number`);
  const listed = store.list({
    group: kind.group,
    kind: kind.kind,
    namespace: path.namespace,
    matches: selectorsOf(
      kind,
      query.get('labelSelector') ?? undefined,
      query.get('fieldSelector') ?? undefined,
    ),
    limit: limit === null ? undefined : Number(limit),
    continueToken: query.get('continue') || undefined,
  });
  const metadata = {
    resourceVersion: listed.resourceVersion,
    ...(listed.continueToken !== undefined && {
      continue: listed.continueToken,
      remainingItemCount: listed.remainingItemCount,
    }),
  };
  const asTable = shown(request, target, listed.items, metadata, nowMs);
  if (asTable !== undefined) return asTable;
  const items = listed.items.map((object) => inVersion(target, object));
  return { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind, path.version), metadata, items };
}

/** Streams changes, one JSON object a line, until the client goes, its time is over or the server stops. */
export async function watch(
  store: ResourceStore & { readonly resourceVersion: string },
  request: ApiRequest,
  target: Target,
  stop: AbortSignal,
  now: () => number,
): Promise<void> {
  const { response, query } = request;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const seconds = Math.min(
    Number(query.get('timeoutSeconds') ?? WATCH_MAX_SECONDS) || WATCH_MAX_SECONDS,
    WATCH_MAX_SECONDS,
  );
  const timer = setTimeout(end, seconds * 1000);
  response.on('close', end);
  stop.addEventListener('abort', end);
  const events = store.watch(watchOptions(store, request, target, ended.signal)); // throws 410 before anything is sent
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  const send = (type: string, object: unknown): boolean =>
    response.write(`${JSON.stringify({ type, object })}\n`);
  const bookmark = (): void => {
    const metadata = { resourceVersion: store.resourceVersion };
    send('BOOKMARK', {
      kind: target.kind.kind,
      apiVersion: apiVersionOf(target.kind, target.path.version),
      metadata,
    });
  };
  const bookmarks =
    query.get('allowWatchBookmarks') === 'true' ? setInterval(bookmark, BOOKMARK_EVERY_MS) : undefined;
  try {
    for (const event of initialEvents(store, request, target))
      send(event.type, shownOne(request, target, event.object, now()));
    if (query.get('sendInitialEvents') === 'true') {
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      send('BOOKMARK', {
        kind: target.kind.kind,
        apiVersion: apiVersionOf(target.kind, target.path.version),
        metadata: { resourceVersion: store.resourceVersion, annotations },
      });
    }
    response.flushHeaders();
    for await (const event of events) {
      if (event.type === 'BOOKMARK') continue;
      const isTaken = send(event.type, shownOne(request, target, event.object, now()));
      if (!isTaken && !ended.signal.aborted) await drained(response, ended.signal);
    }
  } catch (error) {
    if (error instanceof ApiError) send('ERROR', error.toStatus());
    else throw error;
  } finally {
    clearTimeout(timer);
    clearInterval(bookmarks);
    stop.removeEventListener('abort', end);
    response.end();
  }
}

function watchOptions(
  store: { readonly resourceVersion: string },
  { query }: ApiRequest,
  { kind, path }: Target,
  signal: AbortSignal,
): WatchOptions {
  const matches = selectorsOf(
    kind,
    query.get('labelSelector') ?? undefined,
    fieldSelectorOf(query, path.name),
  );
  const asked = query.get('resourceVersion');
  const isFromNow = asked === null || asked === '' || asked === '0';
  if (!isFromNow && !/^\d+$/.test(asked))
    throw badRequest(`resourceVersion: Invalid value: ${JSON.stringify(asked)}`);
  const since = isFromNow || query.get('sendInitialEvents') === 'true' ? store.resourceVersion : asked;
  return { group: kind.group, kind: kind.kind, namespace: path.namespace, matches, since, signal };
}

function fieldSelectorOf(query: URLSearchParams, name: string | undefined): string | undefined {
  const asked = query.get('fieldSelector') ?? undefined;
  if (name === undefined) return asked;
  return asked === undefined ? `metadata.name=${name}` : `${asked},metadata.name=${name}`;
}

/** Without a version, or with 0, a watch begins with what there is. */
function initialEvents(
  store: ResourceStore,
  { query }: ApiRequest,
  { kind, path }: Target,
): Extract<WatchEvent, { object: Resource }>[] {
  const asked = query.get('resourceVersion');
  const isFromStart =
    asked === null || asked === '' || asked === '0' || query.get('sendInitialEvents') === 'true';
  if (!isFromStart) return [];
  const matches = selectorsOf(
    kind,
    query.get('labelSelector') ?? undefined,
    fieldSelectorOf(query, path.name),
  );
  const { items } = store.list({ group: kind.group, kind: kind.kind, namespace: path.namespace, matches });
  return items.map((object) => ({ type: 'ADDED', object }));
}

function shownOne(request: ApiRequest, target: Target, object: Resource, nowMs: number): unknown {
  return (
    shown(request, target, [object], { resourceVersion: object.metadata.resourceVersion }, nowMs) ??
    inVersion(target, object)
  );
}

/** The table or the partial metadata that the request prefers; undefined when it wants the objects themselves. */
function shown(
  { accept, query }: ApiRequest,
  target: Target,
  objects: readonly Resource[],
  metadata: Readonly<Record<string, unknown>>,
  nowMs: number,
): unknown {
  if (!/as=Table/.test(accept)) return undefined;
  const { kind, path } = target;
  const form = { ...kind, columns: columnsIn(kind, path.version) };
  const shownObjects = objects.map((object) => inVersion(target, object));
  return tableOf(form, shownObjects, metadata, nowMs, query.get('includeObject') ?? 'Metadata');
}

function drained(response: ApiRequest['response'], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
