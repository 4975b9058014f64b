import type { CloudEvent } from '../../events/event.ts';
import { fromPubsub, isPartitionKey, wrapPubsub, type TakenMessage } from '../../events/pubsub-binding.ts';

/** The event of a message, and what is wrong with one that says it is a CloudEvent and is none. */
export type MadeEvent = { readonly event: CloudEvent; readonly fault: string | undefined };

/**
 * A CloudEvent arrives as one, with the key that orders it as `partitionkey` unless it has one. Everything else is wrapped,
 * and so is what says that it is a CloudEvent and is none: nothing of it is lost.
 */
export function eventOf(
  message: TakenMessage,
  where: { readonly topic: string; readonly subscription: string },
): MadeEvent {
  const read = fromPubsub(message);
  switch (read.kind) {
    case 'event':
      return { event: withKey(read.event, message.orderingKey), fault: undefined };
    case 'plain':
      return { event: wrapPubsub(message, where), fault: undefined };
    case 'malformed':
      return { event: wrapPubsub(message, where), fault: read.reason };
  }
}

function withKey(event: CloudEvent, orderingKey: string): CloudEvent {
  if (event.attributes.has('partitionkey') || !isPartitionKey(orderingKey)) return event;
  return { ...event, attributes: new Map([...event.attributes, ['partitionkey', orderingKey]]) };
}
