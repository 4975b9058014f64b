import type { ConditionSet } from '../../conditions.ts';
import type { Addressable, KReference, Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';

export const DOMAIN_MAPPING = { apiVersion: 'serving.knative.dev/v1beta1', kind: 'DomainMapping' } as const;

/** A domain that leads to an object with an address (serving pkg/apis/serving/v1beta1/domainmapping_types.go). */
export type DomainMapping = Resource & {
  readonly spec: {
    readonly ref: KReference;
    /** A Secret in the same namespace. */
    readonly tls?: { readonly secretName: string };
  };
  readonly status?: Status & { readonly url?: string; readonly address?: Addressable };
};

/** domainmapping_lifecycle.go */
export const DOMAIN_MAPPING_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['DomainClaimed', 'ReferenceResolved', 'IngressReady', 'CertificateProvisioned'],
};
