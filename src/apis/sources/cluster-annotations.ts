import { subdomainFault } from '../names.ts';
import { invalidValue } from '../field-error.ts';
import type { FieldError } from '../kind.ts';
import type { Resource } from '../resource.ts';

/** `NAME/KEY`, or `NAME` for its key `kubeconfig`: a Secret of the source's namespace that leads to another cluster. */
export const KUBECONFIG_SECRET = 'sources.millrace.dev/kubeconfig-secret';
/** `in-cluster`: the cluster in which the platform runs as a Pod, by the Pod's service account. */
export const CLUSTER = 'sources.millrace.dev/cluster';

/** Which cluster a source watches. */
export type ClusterChoice =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'in-cluster' }
  | { readonly kind: 'secret'; readonly name: string; readonly key: string };

const KEY = 'kubeconfig';

/** Admission has refused what cannot be read. */
export function clusterChoiceOf({ metadata: { annotations = {} } }: Resource): ClusterChoice {
  const secret = annotations[KUBECONFIG_SECRET];
  if (secret !== undefined) {
    const [name = '', key = KEY] = secret.split('/');
    return { kind: 'secret', name, key };
  }
  return annotations[CLUSTER] === 'in-cluster' ? { kind: 'in-cluster' } : { kind: 'embedded' };
}

export function clusterChoiceErrors({ metadata: { annotations = {} } }: Resource): FieldError[] {
  const { [KUBECONFIG_SECRET]: secret, [CLUSTER]: cluster } = annotations;
  const at = (name: string): string => `metadata.annotations[${name}]`;
  const errors: FieldError[] = [];
  if (secret !== undefined) {
    const [name = '', key, ...more] = secret.split('/');
    const isRight = subdomainFault(name) === undefined && key !== '' && more.length === 0;
    if (!isRight) errors.push(invalidValue(secret, at(KUBECONFIG_SECRET), 'expected NAME/KEY of a Secret'));
  }
  if (cluster !== undefined && cluster !== 'in-cluster')
    errors.push(invalidValue(cluster, at(CLUSTER), 'expected in-cluster'));
  if (secret !== undefined && cluster !== undefined)
    errors.push(invalidValue(cluster, at(CLUSTER), `${KUBECONFIG_SECRET} names a cluster already`));
  return errors;
}
