import Type from 'typebox';
import { AGE } from '../../core/core-kinds.ts';
import { missingField } from '../../field-error.ts';
import type { KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { text } from '../../schema.ts';

export const CLUSTER_DOMAIN_CLAIM = {
  apiVersion: 'networking.internal.knative.dev/v1alpha1',
  kind: 'ClusterDomainClaim',
} as const;

/** Which namespace may map a domain: the one of that name (networking pkg/apis/networking/v1alpha1/domainclaim_types.go). */
export type ClusterDomainClaim = Resource & { readonly spec: { readonly namespace: string } };

/** networking config/domain-claim.yaml. */
export const clusterDomainClaimKind: KindDefinition<ClusterDomainClaim> = {
  group: 'networking.internal.knative.dev',
  versions: ['v1alpha1'],
  kind: 'ClusterDomainClaim',
  plural: 'clusterdomainclaims',
  singular: 'clusterdomainclaim',
  shortNames: ['cdc'],
  categories: ['knative-internal', 'networking'],
  scope: 'Cluster',
  schema: Type.Object({
    spec: Type.Object(
      { namespace: Type.Optional(text('The namespace whose DomainMapping may have the domain.')) },
      { description: 'What is desired.' },
    ),
  }),
  columns: [AGE],
  subresources: { status: false },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  setDefaults: (claim) => claim,
  validate: ({ spec }) => (spec.namespace ? [] : [missingField('spec.namespace')]),
};
