import { POD, withPlace, type Pod } from '../../../apis/core/pod.ts';
import type { PodTemplate } from '../../../apis/core/pod-spec.ts';
import type { Resource } from '../../../apis/resource.ts';
import { ownerOf } from '../../../control/owned.ts';

type Owner = Resource & { readonly spec: { readonly template?: PodTemplate } };

/** A Pod that a ReplicaSet or Job makes of its template; it runs the images that its owner was pinned to. */
export function podOfTemplate(owner: Owner, name: string): Pod {
  const { namespace, annotations = {} } = owner.metadata;
  const { metadata = {}, spec = {} } = owner.spec.template ?? {};
  const pinned = Object.fromEntries(
    Object.entries(annotations).filter(([key]) => key.startsWith('platform.millrace.dev/')),
  );
  return {
    ...POD,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels: { ...metadata.labels },
      annotations: { ...metadata.annotations, ...pinned },
      ownerReferences: [ownerOf(owner)],
    },
    spec: withPlace(spec),
  };
}
