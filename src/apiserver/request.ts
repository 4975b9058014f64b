import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { ApiError } from './storage/api-error.ts';

export type User = { readonly name: string; readonly groups: readonly string[] };

/** One API request, read as far as its address and its sender. */
export type ApiRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly contentType: string;
  readonly user: User | undefined; // undefined: nobody that we know
  /** The body, read once; throws RequestEntityTooLarge. */
  readonly body: () => Promise<Buffer>;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
};

/** A resource address: /api/v1/… or /apis/<group>/<version>/…. */
export type ResourcePath = {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
};

const RESOURCE =
  /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;
const NAMESPACES = /^\/api\/v1\/namespaces(?:\/([^/]+)(?:\/(status|finalize))?)?$/;

export function resourcePath(path: string): ResourcePath | undefined {
  const namespaces = NAMESPACES.exec(path);
  if (namespaces !== null) {
    return {
      group: '',
      version: 'v1',
      namespace: undefined,
      plural: 'namespaces',
      name: namespaces[1],
      subresource: namespaces[2],
    };
  }
  const found = RESOURCE.exec(path);
  if (found === null) return undefined;
  const [, group = '', version = '', namespace, plural = '', name, subresource] = found;
  return {
    group,
    version,
    namespace,
    plural,
    name: name === undefined ? undefined : decodeURIComponent(name),
    subresource,
  };
}

/** Whom a client certificate of our CA names: CN is the user, each O a group (Kubernetes x509 authentication). */
export function userOf(incoming: IncomingMessage): User | undefined {
  const socket = incoming.socket as TLSSocket; // the API listens with TLS only
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  if (subject?.CN === undefined) return undefined;
  const groups: unknown = subject.O;
  const named = Array.isArray(groups) ? groups.map(String) : typeof groups === 'string' ? [groups] : [];
  return { name: String(subject.CN), groups: named };
}

/** What every user may read, as in Kubernetes (system:discovery), and ask: who it is. */
const FOR_ALL = /^(\/api|\/apis(\/[^/]+){0,2}|\/api\/v1|\/openapi\/.*)$/;
const WHO_AM_I = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

/** The administrator may do everything; others, accounts by their tokens among them, what is for all. */
export function authorise({ user, method, path }: Pick<ApiRequest, 'user' | 'method' | 'path'>): void {
  if (user === undefined) throw new ApiError(401, 'Unauthorized', 'Unauthorized');
  if (user.groups.includes('system:masters')) return;
  if ((method === 'GET' && FOR_ALL.test(path)) || (method === 'POST' && path === WHO_AM_I)) return;
  const text = `forbidden: User ${JSON.stringify(user.name)} cannot ${method.toLowerCase()} path ${JSON.stringify(path)}: this version of Millrace knows the administrator alone, other rights come later`;
  throw new ApiError(403, 'Forbidden', text);
}
