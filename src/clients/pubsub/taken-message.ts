import type { TakenMessage } from '../../events/pubsub-binding.ts';
import type { Message } from './client.ts';

/** A message of the broker as events know it. */
export function takenOf(message: Message | null | undefined): TakenMessage {
  const { seconds, nanos } = message?.publishTime ?? {};
  const data = message?.data ?? EMPTY;
  return {
    attributes: message?.attributes ?? {},
    data: typeof data === 'string' ? Buffer.from(data, 'base64') : data,
    messageId: message?.messageId ?? '',
    publishedMs: Number(seconds ?? 0) * 1000 + Math.floor((nanos ?? 0) / 1e6),
    orderingKey: message?.orderingKey ?? '',
  };
}

const EMPTY = Buffer.alloc(0);
