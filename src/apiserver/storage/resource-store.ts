import type { GroupKind } from '../../apis/kind.ts';
import type { Resource } from '../../apis/resource.ts';

export type ObjectKey = GroupKind & { readonly namespace: string | undefined; readonly name: string };

/** Who writes, for `creator` annotations and admission. */
export type Writer = { readonly user: string };
export type WriteOptions = {
  readonly writer: Writer;
  readonly dryRun?: boolean;
  /** Which half of the object the write may change. */
  readonly part?: 'main' | 'status';
};

export type ListOptions = GroupKind & {
  readonly namespace?: string | undefined;
  readonly matches?: ((object: Resource) => boolean) | undefined; // label and field selectors, parsed by the caller
  readonly limit?: number | undefined;
  readonly continueToken?: string | undefined;
};
export type Listed = {
  readonly items: readonly Resource[];
  readonly resourceVersion: string;
  readonly continueToken: string | undefined;
  readonly remainingItemCount: number | undefined;
};

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Resource }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export type WatchOptions = GroupKind & {
  readonly namespace?: string | undefined;
  readonly matches?: ((object: Resource) => boolean) | undefined;
  /** Everything after this version. */
  readonly since: string;
  readonly signal: AbortSignal;
};

/**
 * The objects of the embedded API. Errors are `ApiError`s (apiserver/storage/api-error.ts) with Kubernetes' reason and
 * HTTP code: NotFound 404, AlreadyExists 409, Conflict 409, Invalid 422, Expired/Gone 410, and so on, with its texts.
 *   S1  a write resolves only after its commit; reads and watches see only what is committed.
 *   S2  resourceVersions grow by one counter for all kinds; a write with an outdated one is a Conflict and writes nothing.
 *   S3  a write that changes nothing bumps no version and wakes no watcher.
 *   S4  generation grows when anything but metadata and status changes; status is written by `part: 'status'` only, on
 *       kinds that have that subresource.
 *   S5  admission (defaults, schema, validation) runs on every write, HTTP or in-process.
 *   S6  a deletion with finalizers left only stamps deletionTimestamp; the object goes when the last finalizer does.
 *       Dependents with an ownerReference follow (Background), go first (Foreground), or stay without it (Orphan).
 *   S7  a watch gives every change after `since` exactly once and in order, across restarts; when the history does not
 *       reach back that far, or never came so far, it is refused with 410 Expired.
 */
export interface ResourceStore {
  find(key: ObjectKey): Resource | undefined;
  list(options: ListOptions): Listed;
  create(object: Resource, options: WriteOptions): Promise<Resource>;
  /**
   * Replaces what `change` makes of the stored object. It runs again when another write came between, unless what it
   * returns carries a resourceVersion, which must then be the stored one.
   */
  update(key: ObjectKey, change: (stored: Resource) => Resource, options: WriteOptions): Promise<Resource>;
  remove(key: ObjectKey, options: RemoveOptions): Promise<Resource>;
  watch(options: WatchOptions): AsyncIterable<WatchEvent>;
  close(): Promise<void>;
}

export type RemoveOptions = {
  readonly writer: Writer;
  readonly dryRun?: boolean;
  readonly uid?: string | undefined; // preconditions
  readonly resourceVersion?: string | undefined;
  readonly propagation?: Propagation; // Background
};
/** What becomes of the dependents of an object that is removed (apimachinery meta/v1 DeletionPropagation). */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';
