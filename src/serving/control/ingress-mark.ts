import { conditionOf, isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Ingress } from '../../apis/networking/ingress/types.ts';

export const NOT_CONFIGURED = isUnknown(
  'IngressReady',
  'IngressNotConfigured',
  'Ingress has not yet been reconciled.',
);

/** What an Ingress says of itself, once that is of its last change. */
export function ingressMark({ metadata, status }: Ingress): Mark {
  const ready = conditionOf(status, 'Ready');
  if (ready === undefined || status?.observedGeneration !== metadata.generation) return NOT_CONFIGURED;
  if (ready.status === 'True') return isTrue('IngressReady');
  const mark = ready.status === 'False' ? isFalse : isUnknown;
  return mark('IngressReady', ready.reason ?? '', ready.message ?? '');
}
