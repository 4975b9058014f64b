import { isFalse, isTrue, type Mark } from '../../../apis/conditions.ts';
import {
  CLUSTER_DOMAIN_CLAIM,
  type ClusterDomainClaim,
} from '../../../apis/networking/cluster-domain-claim/cluster-domain-claim.ts';
import type { NetworkConfig } from '../../../apis/networking/network-config.ts';
import type { DomainMapping } from '../../../apis/serving/domain-mapping/types.ts';
import type { ResourceClient } from '../../../control/resource-client.ts';

const TAKEN = 'The domain name is already in use by another DomainMapping';

/** A domain is one namespace's: that which a claim names, or, where those are made as needed, the first to ask. */
export async function claimDomain(
  cluster: ResourceClient,
  { metadata: { name, namespace = '' } }: DomainMapping,
  { createsClaims }: NetworkConfig,
): Promise<Mark> {
  const claim = await claimOf(cluster, name);
  if (claim?.spec.namespace === namespace) return isTrue('DomainClaimed');
  if (claim !== undefined) return isFalse('DomainClaimed', 'DomainAlreadyClaimed', TAKEN);
  if (!createsClaims) return isFalse('DomainClaimed', 'DomainAlreadyClaimed', unclaimed(name, namespace));
  await cluster.apply<ClusterDomainClaim>({
    ...CLUSTER_DOMAIN_CLAIM,
    metadata: { name },
    spec: { namespace },
  });
  return isTrue('DomainClaimed');
}

/** Gives up what was claimed as needed; a claim that an operator made is theirs. */
export async function releaseDomain(
  cluster: ResourceClient,
  { metadata: { name, namespace } }: DomainMapping,
  { createsClaims }: NetworkConfig,
): Promise<void> {
  if (!createsClaims || (await claimOf(cluster, name))?.spec.namespace !== namespace) return;
  await cluster.remove(CLUSTER_DOMAIN_CLAIM, undefined, name);
}

function claimOf(cluster: ResourceClient, name: string): Promise<ClusterDomainClaim | undefined> {
  return cluster.find<ClusterDomainClaim>(CLUSTER_DOMAIN_CLAIM, undefined, name);
}

/** Upstream says of this, too, that another has it; here it says what to do. */
function unclaimed(name: string, namespace: string): string {
  return `no ClusterDomainClaim found for domain "${name}" (and autocreate-cluster-domain-claims property is not true): make one with spec.namespace ${namespace}`;
}
