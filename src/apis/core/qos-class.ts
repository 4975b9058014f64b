import { quantityOf } from '../quantity.ts';
import type { Container } from '../serving/types.ts';
import type { PodSpec } from './pod-spec.ts';

/** What may be expected of its resources (kubernetes pkg/apis/core/v1/helper/qos): cpu and memory count. */
export function qosClassOf({ containers = [], initContainers = [] }: PodSpec = {}):
  | 'BestEffort'
  | 'Burstable'
  | 'Guaranteed' {
  const all = [...initContainers, ...containers];
  if (all.every((each) => amounts(each).every(({ limit, request }) => limit + request === 0)))
    return 'BestEffort';
  const isFixed = all.every((each) =>
    amounts(each).every(({ limit, request }) => limit > 0 && (request === 0 || request === limit)),
  );
  return isFixed ? 'Guaranteed' : 'Burstable';
}

function amounts({ resources: { limits = {}, requests = {} } = {} }: Container): readonly {
  readonly limit: number;
  readonly request: number;
}[] {
  return ['cpu', 'memory'].map((name) => ({
    limit: quantityOf(limits[name]) ?? 0,
    request: quantityOf(requests[name]) ?? 0,
  }));
}
