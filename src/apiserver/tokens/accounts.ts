import type { User } from '../request.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { userNameOf, type BoundObject, type TokenAuthority } from './token-authority.ts';

/** Where objects are looked up. */
type Objects = Pick<SqliteStore, 'find'>;

/** Whose token it is; `audiences` are those that it is for, of those asked for. */
export type Bearer = { readonly user: AccountUser; readonly audiences: readonly string[] };
export type AccountUser = User & {
  readonly uid: string;
  /** Which object the token ends with. */
  readonly extra: Readonly<Record<string, readonly string[]>>;
};

/**
 * Whom a token names; undefined: nobody, as soon as its account, or what it is bound to, is not there any more or is another
 * of the same name (Kubernetes, bound service account tokens).
 */
export async function bearerOf(
  authority: TokenAuthority,
  objects: Objects,
  token: string,
  audiences: readonly string[],
): Promise<Bearer | undefined> {
  const verified = await authority.verify(token, audiences);
  if (verified === undefined) return undefined;
  const { namespace, account, bound } = verified;
  const isThere = uidOf(objects, 'ServiceAccount', namespace, account.name) === account.uid;
  const isHeld = bound === undefined || uidOf(objects, bound.kind, namespace, bound.name) === bound.uid;
  if (!isThere || !isHeld) return undefined;
  return {
    audiences: verified.audiences,
    user: {
      name: userNameOf(namespace, account.name),
      uid: account.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      extra: extraOf(bound),
    },
  };
}

/** Of an object that is there. */
export function uidOf(objects: Objects, kind: string, namespace: string, name: string): string | undefined {
  return objects.find({ group: '', kind, namespace, name })?.metadata.uid;
}

function extraOf(bound: BoundObject | undefined): AccountUser['extra'] {
  if (bound?.kind !== 'Pod') return {};
  return {
    'authentication.kubernetes.io/pod-name': [bound.name],
    'authentication.kubernetes.io/pod-uid': [bound.uid],
  };
}
