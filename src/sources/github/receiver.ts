import type { DoorRequest, DoorSource, Reading } from '../door/door-source.ts';
import { isSigned, readHeaders, readPayload } from './delivery.ts';
import { eventOf } from './event.ts';
import type { GitHubSourcePlan } from './plan.ts';

const answer = (code: number, reason: string): Reading => ({ kind: 'answer', code, reason });

/** GitHub's deliveries at the door; `secretOf` is asked for each of them, and says undefined while there is none. */
export function gitHubDoor(
  plan: GitHubSourcePlan,
  secretOf: (plan: GitHubSourcePlan) => string | undefined,
): DoorSource {
  const { uid, sinkUrl, dedupeMs } = plan;
  return {
    origin: `GitHubSource/${plan.key}`,
    uid,
    sinkUrl,
    dedupeMs,
    read: (request) => readDelivery(plan, secretOf(plan), request),
  };
}

function readDelivery(plan: GitHubSourcePlan, secret: string | undefined, request: DoorRequest): Reading {
  const headers = readHeaders(request);
  if ('kind' in headers) return answer(headers.code, headers.reason);
  if (secret === undefined || secret === '') return answer(503, 'the secret of this source is not there yet');
  if (!isSigned(request, secret)) return answer(401, 'the signature is missing or does not fit'); // O1
  const read = readPayload(request);
  if ('kind' in read) return answer(read.code, read.reason);
  const { event, id } = headers;
  if (event === 'ping') return answer(200, 'ping: nothing is forwarded');
  if (!plan.eventTypes.has('*') && !plan.eventTypes.has(event))
    return answer(200, `${event} is not among the eventTypes of this source: nothing is forwarded`);
  return { kind: 'event', event: eventOf(plan, { ...headers, ...read }), id };
}
