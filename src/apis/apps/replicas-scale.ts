import type { KindDefinition } from '../kind.ts';

/** How Deployments and ReplicaSets are scaled (kubernetes pkg/registry/apps). */
export const REPLICAS_SCALE: NonNullable<KindDefinition['subresources']['scale']> = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.spec.selector',
};
