/** Kubernetes' object metadata, as far as the platform reads it (apimachinery meta/v1 ObjectMeta). */
export type ObjectMeta = {
  readonly name: string;
  readonly namespace?: string; // absent on cluster-scoped objects
  readonly generateName?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number; // grows when the desired state changes
  readonly creationTimestamp?: string; // RFC 3339, whole seconds
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
};

export type OwnerReference = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
};

/** Any Kubernetes object. */
export type Resource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
};

/** `namespace/name`, or the name alone of a cluster-scoped object. */
export function keyOf({ metadata: { namespace, name } }: Pick<Resource, 'metadata'>): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
