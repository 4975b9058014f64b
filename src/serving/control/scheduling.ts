import { quantityOf } from '../../apis/quantity.ts';
import type { Container } from '../../apis/serving/types.ts';

/** What there is to run Pods on. */
export type Machine = { readonly cores: number; readonly memoryBytes: number };

/**
 * Why Kubernetes' scheduler would find no node for a Pod of these containers; undefined: it fits, were it alone. What other
 * Pods request does not count: nothing is set aside for them, either.
 */
export function unschedulable(
  containers: readonly Container[],
  initContainers: readonly Container[],
  { cores, memoryBytes }: Machine,
): string | undefined {
  const wanted = (resource: string): number => {
    const of = ({ resources = {} }: Container): number => {
      const { requests, limits } = resources;
      return quantityOf(requests?.[resource] ?? limits?.[resource]) ?? 0;
    };
    return Math.max(
      containers.reduce((sum, container) => sum + of(container), 0),
      ...initContainers.map(of), // one after the other, before the others
    );
  };
  const lacking = [
    ...(wanted('cpu') > cores ? ['Insufficient cpu'] : []),
    ...(wanted('memory') > memoryBytes ? ['Insufficient memory'] : []),
  ];
  if (lacking.length === 0) return undefined;
  const reasons = lacking.map((reason) => `1 ${reason}`).join(', ');
  return `0/1 nodes are available: ${reasons}. This machine has ${cores} cores and ${Math.floor(memoryBytes / 1024 ** 2)}Mi of memory; let the containers request less.`;
}
