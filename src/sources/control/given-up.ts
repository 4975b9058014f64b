import type { Told } from '../../control/reconciler.ts';

/** What a source that is deleted says of the events that it had taken and its sink had not; nothing when there are none. */
export function eventsGivenUp(events: number): Told[] {
  if (events === 0) return [];
  const what = events === 1 ? '1 event that was' : `${events} events that were`;
  const message = `${what} accepted and not yet delivered to the sink ${events === 1 ? 'is' : 'are'} given up`;
  return [{ type: 'Warning', reason: 'EventsGivenUp', message }];
}
