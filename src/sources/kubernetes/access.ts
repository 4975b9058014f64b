import { groupOf } from '../../apis/registry.ts';
import type { KindName } from '../../control/resource-client.ts';
import type { AccessQuestion, RefusedAccess } from '../../control/watched-cluster.ts';

/** Upstream asks for these three, kind by kind and namespace by namespace. */
const VERBS = ['get', 'list', 'watch'] as const;

export function accessQuestions(
  watched: readonly (KindName & { readonly namespace: string | undefined })[],
): AccessQuestion[] {
  return watched.flatMap(({ apiVersion, kind, namespace }) =>
    VERBS.map((verb) => ({ apiVersion, kind, namespace, verb })),
  );
}

/** In the words of eventing pkg/reconciler/apiserversource (runAccessCheck). */
export function refusalText(user: string, refused: readonly RefusedAccess[]): string {
  const verbs = new Map<string, string[]>();
  for (const { apiVersion, resource, namespace = '', verb } of refused) {
    const what = `resource "${resource}" in API group "${groupOf(apiVersion)}" in Namespace "${namespace}"`;
    verbs.set(what, [...(verbs.get(what) ?? []), verb]);
  }
  const missing = [...verbs].map(([what, missed]) => `${missed.join(', ')} ${what}`);
  return `User ${user} cannot ${missing.join(', ')}`;
}
