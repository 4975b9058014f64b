import { PlatformError } from '../base/errors.ts';
import type { LabelSelector } from '../apis/label-selector.ts';
import type { Resource } from '../apis/resource.ts';

export type KindName = { readonly apiVersion: string; readonly kind: string };

export type Change = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Resource };

/** What a watch gives: everything of a kind after `since`, in one namespace or all, that has these labels. */
export type WatchOptions = {
  readonly since: string;
  readonly signal: AbortSignal;
  readonly namespace?: string | undefined;
  /** An object that leaves the selection is told as DELETED, one that enters it as ADDED. */
  readonly selector?: LabelSelector | undefined;
  /** Told once the watch is open, and whenever the server says up to which version everything has been given. */
  readonly onProgress?: ((resourceVersion: string) => void) | undefined;
};

/** The reading half, for data planes and for sources that watch another cluster. */
export interface ResourceReader {
  find<R extends Resource>(
    kind: KindName,
    namespace: string | undefined,
    name: string,
  ): Promise<R | undefined>;
  /** All objects of a kind, in one namespace or all, and the version that a watch goes on from. */
  list<R extends Resource>(
    kind: KindName,
    namespace?: string,
    selector?: LabelSelector,
  ): Promise<{ readonly items: readonly R[]; readonly resourceVersion: string }>;
  /** Ends when `signal` aborts; throws a PlatformError EXPIRED when `since` is too old, a retryable one when cut. */
  watch(kind: KindName, options: WatchOptions): AsyncIterable<Change>;
}

/**
 * The cluster as reconcilers see it; the embedded API and a real Kubernetes both sit behind it.
 * test/contracts/resource-client.ts holds every implementation to this.
 *   W1  apply() creates an object, or replaces its labels, annotations, finalizers, owners and everything but its status;
 *       it does nothing, and bumps no version, when the stored object already equals what is desired. With a
 *       resourceVersion it throws a retryable CONFLICT when that is not the stored one any more, or nothing is stored: what
 *       somebody has deleted meanwhile does not come back. With UNSTORED it creates, and leaves what is there already.
 *   W2  patchStatus() replaces the status and nothing else; the same no-op and conflict rules.
 *   W3  remove() is done when the object is gone or marked for deletion; an absent object is no error.
 *   W4  find() of a kind that nobody serves throws (isUnknownKind); an absent object is undefined.
 */
export interface ResourceClient extends ResourceReader {
  apply<R extends Resource>(desired: R): Promise<R>;
  patchStatus<R extends Resource & { readonly status?: unknown }>(object: R): Promise<R>;
  remove(kind: KindName, namespace: string | undefined, name: string): Promise<void>;
}

/** What find() throws of a kind that is not served, which is no fault that passes by itself. */
export function isUnknownKind(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'NOTFOUND';
}

/** What patchStatus() throws of an object that is not there any more. */
export function isGone(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'NOTFOUND';
}

/** The resourceVersion of what is to be created by apply(), and never to replace anything. */
export const UNSTORED = '0';

/** Whether an object that is to be applied, and is not stored, had been read from there. */
export function wasStored({ metadata: { resourceVersion } }: Resource): boolean {
  return resourceVersion !== undefined && resourceVersion !== UNSTORED;
}

/** What apply() throws of an object that was read and is not there any more. */
export function goneMeanwhile({ kind, metadata: { namespace, name } }: Resource): PlatformError {
  const where = namespace === undefined ? name : `${namespace}/${name}`;
  return new PlatformError('CONFLICT', `${kind} ${where} was deleted after it was read`, { retryable: true });
}

/** What a write throws when somebody else has written meanwhile: read again, and do it over. */
export function isConflict(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'CONFLICT';
}

/** What a write throws when the object itself is not acceptable: it says why, and trying again is of no use. */
export function isRefused(error: unknown): boolean {
  return error instanceof PlatformError && ['INVALID', 'BADREQUEST'].includes(error.code);
}
