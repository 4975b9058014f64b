import { PlatformError } from '../../base/errors.ts';
import type { KafkaMessage } from '../../events/kafka-binding.ts';
import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import { isMoved, kafkaCode, lost, wordsOf } from '../../clients/kafka/faults.ts';
import { BATCH_OVERHEAD, recordBytes } from './record-size.ts';

/** How long a publisher waits at most, while a leader moves or the broker does not answer. */
const PUBLISH_MAX_MS = 5000;
const ASK_AGAIN_MS = 50;
/** A produce request holds no more than this, however much its topic would take at once. */
const BATCH_BYTES_MAX = 512 * 1024;
/** Publishers that wait at a time; past it, publish() refuses. */
const WAITING_MAX = 50_000;

type Item = {
  readonly message: KafkaMessage;
  readonly bytes: number;
  readonly untilMs: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: PlatformError) => void;
};

type Lane = { readonly topic: string; readonly partition: number; readonly waiting: Item[]; isBusy: boolean };

/**
 * Brings records into partitions, and resolves with their place once the broker has confirmed them (`acks: -1`).
 *   W1  one request at a time per partition: what comes meanwhile shares the next, so nothing waits but for the one before.
 *   W2  nothing is sent again unless the broker has said that it did not take it: without an answer the publisher is told,
 *       and it alone knows whether a duplicate matters. So no producer id is needed, and none is lost to a restart.
 */
export class Publisher {
  readonly #connection: KafkaConnection;
  readonly #lanes = new Map<string, Lane>();
  #waiting = 0;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
  }

  send(topic: string, partition: number, message: KafkaMessage, bytesMax: number): Promise<number> {
    const bytes = recordBytes(message);
    if (bytes + BATCH_OVERHEAD > bytesMax) return Promise.reject(tooLarge(topic, bytes, bytesMax));
    if (this.#waiting >= WAITING_MAX) return Promise.reject(full(topic));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const lane = this.#lane(topic, partition);
    lane.waiting.push({
      message: asBuffers(message),
      bytes,
      untilMs: Date.now() + PUBLISH_MAX_MS,
      resolve,
      reject,
    });
    this.#waiting += 1;
    if (!lane.isBusy) void this.#empty(lane, bytesMax);
    return promise;
  }

  #lane(topic: string, partition: number): Lane {
    const name = `${topic}/${partition}`;
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane: Lane = { topic, partition, waiting: [], isBusy: false };
    this.#lanes.set(name, lane);
    return lane;
  }

  async #empty(lane: Lane, bytesMax: number): Promise<void> {
    lane.isBusy = true;
    await Promise.resolve(); // whoever publishes in this turn shares the first request
    while (lane.waiting.length > 0) {
      const batch = takeBatch(lane.waiting, Math.min(bytesMax, BATCH_BYTES_MAX));
      this.#waiting -= batch.length;
      await this.#send(lane, batch, bytesMax);
    }
    lane.isBusy = false;
  }

  async #send(lane: Lane, batch: readonly Item[], bytesMax: number): Promise<void> {
    try {
      const first = await this.#produce(lane, batch);
      for (const [index, item] of batch.entries()) item.resolve(first + index);
    } catch (error) {
      if (kafkaCode(error) === 'MESSAGE_TOO_LARGE' && batch.length > 1) {
        for (const item of batch) await this.#send(lane, [item], bytesMax);
        return;
      }
      for (const item of batch) item.reject(faultOf(lane.topic, item, bytesMax, error));
    }
  }

  /** Resolves with the place of the first; tries again only what was not taken (W2). */
  async #produce({ topic, partition }: Lane, batch: readonly Item[]): Promise<number> {
    const untilMs = batch[0]?.untilMs ?? 0;
    const messages = batch.map(({ message }) => message);
    for (;;) {
      try {
        const broker = await this.#leader(topic, partition);
        const topicData = [{ topic, partitions: [{ partition, messages }] }];
        const { topics } = await broker.produce({ acks: -1, timeout: PUBLISH_MAX_MS, topicData });
        return Number(topics[0]?.partitions[0]?.baseOffset);
      } catch (error) {
        const leftMs = untilMs - Date.now();
        if (leftMs <= 0 || this.#connection.isClosed || !isMoved(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.min(ASK_AGAIN_MS, leftMs)));
        await this.#connection.topic(topic, true).catch(() => undefined); // what is wrong shows at the next try
      }
    }
  }

  async #leader(topic: string, partition: number): ReturnType<KafkaConnection['node']> {
    const known = this.#connection.knownTopic(topic) ?? (await this.#connection.topic(topic));
    const leader = known?.leaders[partition];
    if (leader === undefined) throw new TopicGone(topic);
    return this.#connection.node(leader);
  }
}

/** Shaped like the broker's own answer, and handled like it. */
class TopicGone extends Error {
  readonly type = 'UNKNOWN_TOPIC_OR_PARTITION';

  constructor(topic: string) {
    super(`topic ${topic} is not there`);
  }
}

/** kafkajs takes any other view of bytes for an object, and writes its text. */
function asBuffers({ key, value, headers }: KafkaMessage): KafkaMessage {
  const written: Record<string, Buffer | string> = {};
  for (const name in headers) {
    const header = headers[name];
    if (typeof header === 'string') written[name] = header;
    else if (header instanceof Uint8Array) written[name] = asBuffer(header);
  }
  return {
    key: key instanceof Uint8Array ? asBuffer(key) : key,
    value: value === null ? null : asBuffer(value),
    headers: written,
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function takeBatch(waiting: Item[], bytesMax: number): Item[] {
  let bytes = BATCH_OVERHEAD;
  let count = 0;
  for (const item of waiting) {
    if (count > 0 && bytes + item.bytes > bytesMax) break;
    bytes += item.bytes;
    count += 1;
  }
  return waiting.splice(0, count);
}

function faultOf(topic: string, { bytes }: Item, bytesMax: number, error: unknown): PlatformError {
  if (kafkaCode(error) === 'MESSAGE_TOO_LARGE') return tooLarge(topic, bytes, bytesMax);
  return lost(`publishing to topic ${topic}: ${wordsOf(error)}`, error);
}

function tooLarge(topic: string, bytes: number, bytesMax: number): PlatformError {
  const message =
    `the event takes ${bytes} bytes as a Kafka record, and topic ${topic} takes ${bytesMax} at most ` +
    '(max.message.bytes of the topic, else message.max.bytes of the broker)';
  return new PlatformError('EVENT_TOO_LARGE', message, { retryable: false });
}

function full(topic: string): PlatformError {
  return new PlatformError('CHANNEL_FULL', `${WAITING_MAX} events wait to be brought into topic ${topic}`, {
    retryable: true,
  });
}
