import type { Offer, Verdict } from '../../channels/channel.ts';
import type { CloudEvent } from '../../events/event.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import type { AttemptResult } from './attempt.ts';

/** Whose deliveries are told of. */
export type Teller = { readonly channel: string; readonly group: string; readonly nowMs: () => number };

export type Attempted = {
  readonly offer: Offer;
  readonly result: AttemptResult;
  readonly verdict: Verdict;
  readonly url: string;
  readonly atMs: number; // when it began
};

export function tellAttempt(
  { channel, group, nowMs }: Teller,
  { offer, result, verdict, url, atMs }: Attempted,
): void {
  publishSignal('dispatcher.attempted', {
    ...keyOf(offer.event),
    atMs,
    tookMs: nowMs() - atMs,
    channel,
    group,
    stage: offer.stage.kind,
    attempt: offer.attempt,
    url,
    code: result.code,
    outcome: result.outcome,
    reason: result.reason,
    next: nextOf(verdict),
    dueMs: verdict.kind === 'retry' ? verdict.dueMs : undefined,
  });
}

/** `reply` is undefined when the answer held none that could be read. */
export function tellReply(
  { channel, group, nowMs }: Teller,
  inReplyTo: CloudEvent,
  reply: CloudEvent | undefined,
  fate: { readonly url: string } | { readonly dropped: string },
): void {
  publishSignal('reply.sent', {
    ...keyOf(reply),
    atMs: nowMs(),
    channel,
    group,
    inReplyTo: inReplyTo.attributes.get('id') ?? '',
    url: 'url' in fate ? fate.url : undefined,
    dropped: 'dropped' in fate ? fate.dropped : undefined,
  });
}

function nextOf(verdict: Verdict): 'settled' | 'retry' | 'reply' | 'deadLetter' | 'dead' {
  if (verdict.kind !== 'advance') return verdict.kind;
  return verdict.stage.kind === 'reply' ? 'reply' : 'deadLetter';
}

function keyOf(event: CloudEvent | undefined): { id: string; source: string; type: string } {
  const read = (name: string): string => event?.attributes.get(name) ?? '';
  return { id: read('id'), source: read('source'), type: read('type') };
}
