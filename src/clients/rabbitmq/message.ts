import type * as Amqp from 'amqplib';
import { fromAmqp, wrapAmqp, type AmqpMessage } from '../../events/amqp-binding.ts';
import type { CloudEvent } from '../../events/event.ts';

/** What a message that is no event is made into one with. */
export type Wrapping = {
  readonly from: { readonly namespace: string; readonly name: string; readonly queue: string };
  readonly newId: () => string;
};

/** The event that a message holds, or is made into: no event, or a broken one, is neither lost nor in the way of others. */
export function eventIn({ properties }: Amqp.Message, body: Buffer, { from, newId }: Wrapping): CloudEvent {
  const amqp: AmqpMessage = {
    contentType: asText(properties.contentType),
    messageId: asText(properties.messageId),
    headers: properties.headers ?? {},
    body,
  };
  const read = fromAmqp(amqp);
  if (read.kind === 'event') return read.event;
  const seconds: unknown = properties.timestamp;
  const timestampMs = typeof seconds === 'number' && seconds < 8.64e12 ? seconds * 1000 : undefined;
  return wrapAmqp(amqp, from, { id: newId(), timestampMs });
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
