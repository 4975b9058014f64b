import type { ApiRequest } from '../request.ts';
import { badRequest, invalid, notFound, type Cause } from '../storage/api-error.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { bodyOf, keyOf, type Target } from '../verbs/write.ts';
import { uidOf } from './accounts.ts';
import { API_AUDIENCE, type BoundObject, type TokenAuthority } from './token-authority.ts';

type TokenRequest = {
  readonly metadata?: object;
  readonly spec?: {
    readonly audiences?: readonly string[];
    readonly expirationSeconds?: number;
    readonly boundObjectRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
  };
};

const USUAL_S = 3600;
const [SHORTEST_S, LONGEST_S] = [600, 2 ** 32];
const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest', plural: 'tokenrequests' };

/** `serviceaccounts/token` (authentication/v1 TokenRequest; `kubectl create token`). */
export async function requestToken(
  authority: TokenAuthority,
  store: SqliteStore,
  request: ApiRequest,
  target: Target,
): Promise<unknown> {
  const { namespace = '', name } = keyOf(target);
  const asked = Object(await bodyOf(request)) as TokenRequest; // each field is looked at below
  const { audiences: named, expirationSeconds: seconds = USUAL_S, boundObjectRef } = asked.spec ?? {};
  const faults = faultsOf(named, seconds);
  if (faults.length > 0) throw invalid(KIND, '', faults);
  const uid = uidOf(store, 'ServiceAccount', namespace, name);
  if (uid === undefined) throw notFound(target.kind, name);
  const bound = boundObjectRef && boundOf(store, namespace, boundObjectRef);
  const audiences = named === undefined || named.length === 0 ? [API_AUDIENCE] : named;
  const { token, expiresMs } = await authority.issue(
    { namespace, account: { name, uid }, bound },
    audiences,
    seconds,
  );
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace },
    spec: { audiences, expirationSeconds: seconds, boundObjectRef: boundObjectRef ?? null },
    status: { token, expirationTimestamp: new Date(expiresMs).toISOString().replace(/\.\d+/, '') },
  };
}

/** Kubernetes' own texts (pkg/apis/authentication/validation). */
function faultsOf(audiences: unknown, seconds: unknown): readonly Cause[] {
  if (
    audiences !== undefined &&
    !(Array.isArray(audiences) && audiences.every((each) => typeof each === 'string'))
  )
    throw badRequest('spec.audiences is a list of strings');
  if (!Number.isInteger(seconds)) throw badRequest('spec.expirationSeconds is an integer');
  const why =
    Number(seconds) < SHORTEST_S
      ? 'may not specify a duration less than 10 minutes'
      : 'may not specify a duration larger than 2^32 seconds';
  if (Number(seconds) >= SHORTEST_S && Number(seconds) <= LONGEST_S) return [];
  const message = `Invalid value: ${String(seconds)}: ${why}`;
  return [{ reason: 'FieldValueInvalid', message, field: 'spec.expirationSeconds' }];
}

function boundOf(
  store: SqliteStore,
  namespace: string,
  { kind = '', name = '', uid: asked }: NonNullable<NonNullable<TokenRequest['spec']>['boundObjectRef']>,
): BoundObject {
  if (kind !== 'Pod' && kind !== 'Secret')
    throw badRequest(`cannot bind token to object of type /v1, Kind=${kind}: it is a Pod or a Secret`);
  const uid = uidOf(store, kind, namespace, name);
  const plural = `${kind.toLowerCase()}s`;
  const bound = store.kinds.byResource('', 'v1', plural);
  if (uid === undefined && bound !== undefined) throw notFound(bound, name);
  if (uid === undefined || (asked !== undefined && asked !== '' && asked !== uid))
    throw badRequest(
      `the UID in the bound object reference (${asked}) does not match the UID in record (${uid})`,
    );
  return { kind, name, uid };
}
