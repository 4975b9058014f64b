import type { KafkaMessage } from '../../events/kafka-binding.ts';
import type { KafkaConnection } from './connection.ts';
import type { FetchedPartition, FetchedRecord } from './protocol.ts';

export type Fetched = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly message: KafkaMessage;
  readonly bytes: number;
};

/** What is worth handing on of one partition's answer: neither marks of transactions nor what they took back. */
export function fetchedIn(
  connection: KafkaConnection,
  { messages, abortedTransactions }: FetchedPartition,
  fromOffset: number,
): Fetched[] {
  const { filterAborted } = connection.protocol;
  const kept = abortedTransactions.length === 0 ? messages : filterAborted({ messages, abortedTransactions });
  return kept
    .filter((record) => !record.isControlRecord && Number(record.offset) >= fromOffset)
    .map((record) => ({
      offset: Number(record.offset),
      timestampMs: Number(record.timestamp),
      message: record,
      bytes: bytesOf(record),
    }));
}

/** Reads a part of a partition without any group, as far as one answer goes. */
export async function readAt(
  connection: KafkaConnection,
  place: { readonly topic: string; readonly partition: number; readonly offset: number },
  maxBytes: number,
): Promise<Fetched[]> {
  const { topic, partition, offset } = place;
  const leader = (await connection.topic(topic))?.leaders[partition];
  if (leader === undefined) return [];
  const { responses } = await (
    await connection.node(leader)
  ).fetch({
    isolationLevel: 1,
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes }] }],
  });
  const answer = responses[0]?.partitions[0];
  return answer === undefined ? [] : fetchedIn(connection, answer, offset);
}

function bytesOf({ key, value, headers }: FetchedRecord): number {
  let bytes = (key?.byteLength ?? 0) + (value?.byteLength ?? 0);
  for (const name in headers) {
    const header = headers[name];
    bytes += name.length + (header instanceof Uint8Array ? header.byteLength : 0);
  }
  return bytes;
}
