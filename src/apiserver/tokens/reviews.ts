import { answerJson } from '../../http/respond.ts';
import type { Extension } from '../api-server.ts';
import type { ApiRequest } from '../request.ts';
import { ApiError, badRequest } from '../storage/api-error.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { bodyOf } from '../verbs/write.ts';
import { bearerOf } from './accounts.ts';
import { API_AUDIENCE, type TokenAuthority } from './token-authority.ts';

const GROUP = 'authentication.k8s.io';
const API_VERSION = `${GROUP}/v1`;
const AUTHENTICATED = 'system:authenticated';
const verbs = ['create'];

/** Who somebody is: of a token (TokenReview), or whoever asks (SelfSubjectReview, `kubectl auth whoami`). */
export function reviews(authority: TokenAuthority | undefined, store: SqliteStore): Extension {
  return {
    group: GROUP,
    version: 'v1',
    resources: [
      { plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', isNamespaced: false, verbs },
      ...(authority === undefined
        ? []
        : [{ plural: 'tokenreviews', kind: 'TokenReview', isNamespaced: false, verbs }]),
    ],
    async answer(request, path) {
      if (request.method !== 'POST') throw new ApiError(405, 'MethodNotAllowed', 'it takes POST');
      if (path === 'selfsubjectreviews') return answerJson(request.response, 201, self(request));
      if (path !== 'tokenreviews' || authority === undefined)
        throw new ApiError(404, 'NotFound', 'the server could not find the requested resource', {});
      return answerJson(request.response, 201, await tokenReview(authority, store, request));
    },
  };
}

function self({ user }: ApiRequest): unknown {
  const { name: username = '', groups = [], ...more } = user ?? {};
  return {
    kind: 'SelfSubjectReview',
    apiVersion: API_VERSION,
    metadata: {},
    status: { userInfo: { username, groups: [...groups, AUTHENTICATED], ...more } },
  };
}

async function tokenReview(
  authority: TokenAuthority,
  store: SqliteStore,
  request: ApiRequest,
): Promise<unknown> {
  const { spec = {} } = Object(await bodyOf(request)) as {
    readonly spec?: { readonly token?: unknown; readonly audiences?: unknown };
  };
  const { token, audiences: asked = [] } = spec;
  if (typeof token !== 'string' || token === '')
    throw badRequest('token is required for TokenReview in authentication');
  if (!Array.isArray(asked)) throw badRequest('spec.audiences is a list of strings');
  const bearer = await bearerOf(
    authority,
    store,
    token,
    asked.length === 0 ? [API_AUDIENCE] : asked.map(String),
  );
  const status =
    bearer === undefined
      ? { user: {}, error: 'the token is not one of ours, is over, or is not for any of these audiences' }
      : {
          authenticated: true,
          user: {
            username: bearer.user.name,
            uid: bearer.user.uid,
            groups: [...bearer.user.groups, AUTHENTICATED],
            extra: bearer.user.extra,
          },
          audiences: bearer.audiences,
        };
  return { kind: 'TokenReview', apiVersion: API_VERSION, metadata: {}, spec, status };
}
