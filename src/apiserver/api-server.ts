import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Resource } from '../apis/resource.ts';
import type { Clock } from '../base/clock.ts';
import { ByteBudget, readBody } from '../http/body.ts';
import { hostFault, LOOPBACK_HOSTS } from '../http/host-check.ts';
import { answerJson, answerText } from '../http/respond.ts';
import { openServer, type OpenServer } from '../http/server.ts';
import { discoveryDocument, VERSION, type ExtensionGroup } from './discovery/discovery.ts';
import { answerOpenApiV2 } from './discovery/openapi-v2.ts';
import { openApiDocument, openApiIndex } from './discovery/openapi.ts';
import type { Pki } from './pki/pki.ts';
import { authorise, resourcePath, userOf, type ApiRequest, type User } from './request.ts';
import { ApiError, badRequest } from './storage/api-error.ts';
import type { SqliteStore } from './storage/sqlite-store.ts';
import { bearerOf } from './tokens/accounts.ts';
import { reviews } from './tokens/reviews.ts';
import { API_AUDIENCE, type TokenAuthority } from './tokens/token-authority.ts';
import { requestToken } from './tokens/token-request.ts';
import type { PodAccess } from './streaming/pod-access.ts';
import { PodStreams, STREAMED, upgradeRequired } from './streaming/pod-streams.ts';
import { isStreamed, upgrade } from './streaming/upgrade.ts';
import { podLog, type LogReader } from './verbs/pod-log.ts';
import { get, list, watch } from './verbs/read.ts';
import { scale } from './verbs/scale.ts';
import {
  create,
  keyOf,
  patch,
  remove,
  removeOptionsOf,
  replace,
  type Target,
  type Written,
} from './verbs/write.ts';

/** A group of the API whose resources are no stored objects: `/apis/<group>/<version>/…` is its own to answer. */
export type Extension = ExtensionGroup & {
  answer(request: ApiRequest, path: string): Promise<void>;
};

export type ApiServerOptions = {
  readonly store: SqliteStore;
  readonly pki: Pki;
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly logs: LogReader;
  /** Absent: there is no `kubectl exec` and no `kubectl port-forward`. */
  readonly pods?: PodAccess;
  /** Absent: accounts have no tokens. */
  readonly tokens?: TokenAuthority;
  readonly extensions: readonly Extension[];
  readonly isReady: () => string | undefined; // why not, if not
};

/** By which it is known inside the cluster, at port 443. */
export const API_NAMES: readonly string[] = [
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];
const BODY_BYTES_MAX = 3 * 1024 * 1024; // as Kubernetes
const EXTENSION_BODY_BYTES_MAX = 256 * 1024 * 1024;
const OPEN_PATHS = new Set(['/livez', '/readyz', '/healthz', '/version']);

/** Opens the API listener. */
export async function openApiServer(given: ApiServerOptions): Promise<OpenServer> {
  const { pki, host, port } = given;
  const options = { ...given, extensions: [...given.extensions, reviews(given.tokens, given.store)] };
  const stop = new AbortController();
  const budget = new ByteBudget(2 * EXTENSION_BODY_BYTES_MAX);
  const hosts = new Set([...LOOPBACK_HOSTS, ...API_NAMES, host]);
  const streams = options.pods && new PodStreams(options.pods, options.logs);
  const server = await openServer({
    name: 'API',
    flag: '--api',
    host,
    port,
    tls: {
      key: pki.serverKey,
      cert: pki.serverCert,
      ca: pki.caCert,
      requestCert: true,
      rejectUnauthorized: false,
    },
    onRequest: (incoming, response) =>
      void answer(options, readRequest(incoming, response, budget), hosts, stop.signal),
    ...(streams !== undefined && {
      takesUpgrade: isStreamed,
      onUpgrade: (incoming: IncomingMessage, socket: Duplex, head: Buffer) =>
        void upgrade({ store: options.store, streams, hosts }, incoming, socket, head),
    }),
  });
  return {
    ...server,
    close(graceMs) {
      stop.abort(); // watches end at once
      streams?.close();
      return server.close(graceMs);
    },
  };
}

function readRequest(incoming: IncomingMessage, response: ServerResponse, budget: ByteBudget): ApiRequest {
  const url = new URL(incoming.url ?? '/', 'https://api');
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : url.pathname;
  const isExtension = path.startsWith('/apis/platform.millrace.dev/');
  return {
    method: incoming.method ?? 'GET',
    path,
    query: url.searchParams,
    accept: incoming.headers.accept ?? '',
    contentType: (incoming.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '',
    user: userOf(incoming),
    incoming,
    response,
    async body() {
      const read = await readBody(incoming, {
        maxBytes: isExtension ? EXTENSION_BODY_BYTES_MAX : BODY_BYTES_MAX,
        budget,
      });
      if (read.kind === 'body') {
        response.once('close', () => budget.give(read.held));
        return read.body;
      }
      if (read.kind === 'gone') throw badRequest('the client went away');
      throw new ApiError(read.code, read.code === 413 ? 'RequestEntityTooLarge' : 'BadRequest', read.reason);
    },
  };
}

async function answer(
  options: ApiServerOptions,
  request: ApiRequest,
  hosts: ReadonlySet<string>,
  stop: AbortSignal,
): Promise<void> {
  const { response } = request;
  try {
    const fault = hostFault(request.incoming, hosts);
    if (fault !== undefined) throw new ApiError(fault.code, 'Forbidden', fault.reason);
    if (OPEN_PATHS.has(request.path)) return health(options, request);
    const user = request.user ?? (await bearer(options, request));
    authorise({ ...request, user });
    await route(options, { ...request, user }, stop);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isUnread = error.httpCode === 413 ? { connection: 'close' } : {};
    for (const [name, value] of Object.entries(isUnread))
      if (!response.headersSent) response.setHeader(name, value);
    answerJson(response, error.httpCode, error.toStatus());
  }
}

/** Whom a token names, of who shows no certificate (Kubernetes, bearer tokens). */
async function bearer(
  { tokens, store }: ApiServerOptions,
  { incoming }: ApiRequest,
): Promise<User | undefined> {
  const [, token] = /^Bearer +(\S+)$/i.exec(incoming.headers.authorization ?? '') ?? [];
  if (token === undefined || tokens === undefined) return undefined;
  return (await bearerOf(tokens, store, token, [API_AUDIENCE]))?.user;
}

function health({ isReady }: ApiServerOptions, { path, response }: ApiRequest): void {
  if (path === '/version') return answerJson(response, 200, VERSION);
  const reason = path === '/readyz' ? isReady() : undefined;
  answerText(response, reason === undefined ? 200 : 503, reason ?? 'ok');
}

async function route(options: ApiServerOptions, request: ApiRequest, stop: AbortSignal): Promise<void> {
  const { path, response, accept } = request;
  const { kinds } = options.store;
  const extension = options.extensions.find(({ group, version }) =>
    path.startsWith(`/apis/${group}/${version}/`),
  );
  if (extension !== undefined)
    return extension.answer(request, path.slice(`/apis/${extension.group}/${extension.version}/`.length));
  if (path === '/openapi/v2') return answerOpenApiV2(response, accept);
  if (path === '/openapi/v3') return answerJson(response, 200, openApiIndex(kinds));
  const document = path.startsWith('/openapi/v3/')
    ? openApiDocument(kinds, path.slice('/openapi/v3/'.length))
    : discoveryDocument(kinds, path, accept, options.extensions);
  if (document !== undefined) {
    const aggregated = /^(?:\/api|\/apis)$/.test(path) && accept.includes('as=APIGroupDiscoveryList');
    if (aggregated) {
      const version = /v=v2(?:[,;]|$)/.test(accept) ? 'v2' : 'v2beta1';
      response.setHeader(
        'content-type',
        `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      );
      response.end(JSON.stringify(document));
      return;
    }
    return answerJson(response, 200, document);
  }
  await onResource(options, request, stop);
}

async function onResource(options: ApiServerOptions, request: ApiRequest, stop: AbortSignal): Promise<void> {
  const { store, clock } = options;
  const path = resourcePath(request.path);
  const kind = path && store.kinds.byResource(path.group, path.version, path.plural);
  if (path === undefined || kind === undefined) throw unknownPath();
  const target: Target = { kind, path };
  const { method, query, response } = request;
  if (kind.kind === 'Pod' && path.subresource === 'log') return podLog(options, request, target);
  if (kind.kind === 'Pod' && STREAMED.includes(path.subresource ?? '')) throw upgradeRequired();
  if (isTokenRequest(target) && method === 'POST' && options.tokens !== undefined)
    return answerJson(response, 201, await requestToken(options.tokens, store, request, target));
  if (path.subresource === 'scale' && kind.subresources.scale !== undefined)
    return answerJson(response, 200, await scale(store, request, target, kind.subresources.scale));
  if (path.subresource !== undefined && !(path.subresource === 'status' && kind.subresources.status)) {
    throw unknownPath();
  }
  const nowMs = clock.nowMs();
  if (method === 'GET') {
    if (['1', 'true'].includes(query.get('watch') ?? ''))
      return watch(store, request, target, stop, () => clock.nowMs());
    return answerJson(
      response,
      200,
      path.name === undefined ? list(store, request, target, nowMs) : get(store, request, target, nowMs),
    );
  }
  if (method === 'POST' && path.name === undefined)
    return answerWritten(response, await create(store, request, target));
  if (method === 'PUT' && path.name !== undefined)
    return answerWritten(response, await replace(store, request, target));
  if (method === 'PATCH' && path.name !== undefined)
    return answerWritten(response, await patch(store, request, target));
  if (method === 'DELETE' && path.name !== undefined)
    return answerRemoved(response, store, target, await remove(store, request, target));
  if (method === 'DELETE') return removeAll(store, request, target);
  throw new ApiError(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  );
}

function isTokenRequest({ kind, path }: Target): boolean {
  return kind.kind === 'ServiceAccount' && kind.group === '' && path.subresource === 'token';
}

/** With details that are empty: `kubectl debug` looks into them. */
const unknownPath = (): ApiError =>
  new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});

function answerWritten(response: ServerResponse, { code, object, warnings }: Written): void {
  for (const text of warnings) response.appendHeader('warning', `299 - ${JSON.stringify(text)}`);
  answerJson(response, code, object);
}

/** An object that is gone is told by a Status; one that finalizers still hold, by itself. */
function answerRemoved(
  response: ServerResponse,
  store: SqliteStore,
  target: Target,
  removed: Resource,
): void {
  const isHeld = store.find(keyOf(target)) !== undefined;
  if (isHeld) return answerJson(response, 200, removed);
  const { name, uid } = removed.metadata;
  answerJson(response, 200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, group: target.kind.group, kind: target.kind.plural, uid },
  });
}

async function removeAll(store: SqliteStore, request: ApiRequest, target: Target): Promise<void> {
  const listed = list(store, { ...request, accept: '' }, target, 0) as {
    items: { metadata: { name: string; namespace?: string } }[];
  };
  const options = await removeOptionsOf(request);
  for (const { metadata } of listed.items) {
    const key = { ...keyOf(target, metadata.name), namespace: metadata.namespace };
    await store.remove(key, options).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.httpCode !== 404) throw error;
    });
  }
  answerJson(request.response, 200, listed);
}
