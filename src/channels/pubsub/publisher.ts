import { setTimeout as pause } from 'node:timers/promises';
import { PlatformError } from '../../base/errors.ts';
import { ABORTED, INTERNAL, isUnreached, statusOf, UNAVAILABLE } from '../../clients/pubsub/faults.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import type { PubsubMessage } from '../../events/pubsub-binding.ts';

/** A request and so a message is at most so long (cloud.google.com/pubsub/quotas: 10 MB). */
export const REQUEST_BYTES_MAX = 10_000_000;
const REQUEST_MESSAGES_MAX = 1000;
/** What waits to be sent, at most; past it publish() refuses. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
/** Requests under way for what has no ordering key; what comes meanwhile shares the next one, so nothing waits for a timer. */
const REQUESTS_MAX = 4;
/** An answer comes in this time, or the broker is away. */
const PUBLISH_MAX_MS = 4000;
const AGAIN_PAUSE_MS = 100;

type Waiting = {
  readonly message: PubsubMessage;
  readonly bytes: number;
  readonly resolve: (messageId: string) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Publishes to one topic: many messages a request.
 *   U1  publish() resolves once the broker has taken the message, and rejects with what it said, within PUBLISH_MAX_MS.
 *   U2  one ordering key has one request under way, and a request has one key, as the broker wants it; so what is published
 *       under a key is kept in the order of the calls.
 *   U3  a request that was not answered is sent again as long as there is time: it may be taken twice.
 *   U4  after a loss nothing resolves: what was taken may be in a topic that was made anew, without its subscriptions.
 */
export class Publisher {
  readonly #link: Link;
  readonly #topic: string;
  readonly #lost: AbortSignal;
  readonly #queues = new Map<string, { readonly waiting: Waiting[]; running: number }>();
  #queuedBytes = 0;

  constructor(link: Link, topic: string, lost: AbortSignal) {
    this.#link = link;
    this.#topic = topic;
    this.#lost = lost;
  }

  publish(message: PubsubMessage, orderingKey = ''): Promise<string> {
    const bytes = sizeOf(message, orderingKey);
    if (this.#queuedBytes + bytes > QUEUE_BYTES_MAX) {
      const reason = `${QUEUE_BYTES_MAX} bytes wait to be published to ${this.#topic}`;
      return Promise.reject(new PlatformError('CHANNEL_FULL', reason, { retryable: true }));
    }
    this.#queuedBytes += bytes;
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(orderingKey) ?? { waiting: [], running: 0 };
      this.#queues.set(orderingKey, queue);
      queue.waiting.push({ message, bytes, resolve, reject });
      const isFree = queue.running < (orderingKey === '' ? REQUESTS_MAX : 1); // U2
      if (isFree) void this.#run(orderingKey, queue);
    });
  }

  async #run(orderingKey: string, queue: { readonly waiting: Waiting[]; running: number }): Promise<void> {
    queue.running += 1;
    await Promise.resolve(); // what is published in the same turn shares the request
    while (queue.waiting.length > 0) await this.#send(orderingKey, batchOf(queue.waiting));
    queue.running -= 1;
    if (queue.running === 0 && queue.waiting.length === 0) this.#queues.delete(orderingKey);
  }

  async #send(orderingKey: string, batch: readonly Waiting[]): Promise<void> {
    const messages = batch.map(({ message: { attributes, data } }) => ({ attributes, data, orderingKey }));
    try {
      const ids = await this.#request(messages);
      this.#lost.throwIfAborted(); // U4
      for (const [index, { resolve }] of batch.entries()) resolve(ids[index] ?? '');
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    for (const { bytes } of batch) this.#queuedBytes -= bytes;
  }

  async #request(messages: object[]): Promise<readonly string[]> {
    const untilMs = Date.now() + PUBLISH_MAX_MS;
    for (;;) {
      try {
        const leftMs = Math.max(untilMs - Date.now(), 1);
        const { messageIds } = await this.#link.call('publish', { topic: this.#topic, messages }, leftMs);
        return messageIds ?? [];
      } catch (error) {
        const isOver = Date.now() + 2 * AGAIN_PAUSE_MS > untilMs || this.#lost.aborted;
        if (isOver || !isPassing(error)) throw error;
      }
      await pause(AGAIN_PAUSE_MS); // U3
    }
  }
}

/** An upper bound of what a message takes in a request. */
export function sizeOf({ attributes, data }: PubsubMessage, orderingKey = ''): number {
  let bytes = 64 + data.byteLength + Buffer.byteLength(orderingKey);
  for (const name in attributes)
    bytes += 16 + Buffer.byteLength(name) + Buffer.byteLength(attributes[name] ?? '');
  return bytes;
}

function batchOf(waiting: Waiting[]): readonly Waiting[] {
  let [count, bytes] = [0, 1024];
  for (const each of waiting) {
    bytes += each.bytes;
    if (count > 0 && (bytes > REQUEST_BYTES_MAX || count === REQUEST_MESSAGES_MAX)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}

function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  return isUnreached(error) || status === UNAVAILABLE || status === ABORTED || status === INTERNAL;
}
