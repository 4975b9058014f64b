import type { KindName, ResourceReader } from './resource-client.ts';

/** Which cluster is meant, with all that it takes to reach it. */
export type ClusterAccess =
  | { readonly kind: 'embedded' }
  /** The text of a kubeconfig, which holds secrets. */
  | { readonly kind: 'kubeconfig'; readonly text: string }
  /** The cluster in which this process runs in a Pod, as the Pod's service account. */
  | { readonly kind: 'in-cluster' };

/** One thing that somebody wants to do to all objects of a kind. */
export type AccessQuestion = KindName & {
  readonly verb: 'get' | 'list' | 'watch';
  readonly namespace: string | undefined; // undefined: in all of them
};

export type RefusedAccess = AccessQuestion & { readonly resource: string };

/**
 * A cluster as a source watches it: the platform's own, or one that a kubeconfig leads to. Errors are PlatformErrors:
 * FORBIDDEN and UNAUTHORIZED in the server's words, NOTFOUND of a kind that is not served, CLUSTER_UNREACHABLE.
 */
export interface WatchedCluster {
  /** How its API is called in the `source` of its events. */
  readonly url: string;
  readonly reader: ResourceReader;
  /** Whether objects of a kind are in namespaces; undefined: it serves no such kind. */
  isNamespaced(kind: KindName): Promise<boolean | undefined>;
  /** Who we are there, and what of this we may not do. */
  refused(
    questions: readonly AccessQuestion[],
  ): Promise<{ readonly user: string; readonly refused: readonly RefusedAccess[] }>;
  /** Frees its connections; twice is as good as once. */
  close(): Promise<void>;
}
