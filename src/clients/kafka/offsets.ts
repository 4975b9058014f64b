import type { KafkaConnection } from './connection.ts';
import { kafkaCode } from './faults.ts';
import { Progress } from './progress.ts';

/** Stand for times in ListOffsets: one past the last record that may be read, and the first one that is kept. */
export const END = -1;
export const FIRST = -2;

/** Partition by partition, the place of the first record from `timestamp` on; the end where there is none. */
export async function offsetsAt(
  connection: KafkaConnection,
  topic: string,
  timestamp: number,
): Promise<readonly number[]> {
  const leaders = (await connection.topic(topic))?.leaders ?? [];
  const found: number[] = [];
  await Promise.all(
    [...new Set(leaders)].map(async (leader) => {
      const mine = [...leaders.keys()].filter((partition) => leaders[partition] === leader);
      const partitions = mine.map((partition) => ({ partition, timestamp }));
      const request = { isolationLevel: 1, topics: [{ topic, partitions }] } as const;
      const { responses } = await (await connection.node(leader)).listOffsets(request).catch(isGone);
      for (const { partition, offset } of responses[0]?.partitions ?? []) found[partition] = Number(offset);
    }),
  );
  if (timestamp < 0 || !found.includes(-1)) return found;
  const ends = await offsetsAt(connection, topic, END);
  return found.map((offset, partition) => (offset === -1 ? (ends[partition] ?? 0) : offset));
}

/** A topic that was deleted lately has no offsets. */
function isGone(error: unknown): { readonly responses: [] } {
  if (kafkaCode(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
  return { responses: [] };
}

/** What a group has committed, partition by partition of each topic; undefined where it has not. */
export async function committedOf(
  connection: KafkaConnection,
  groupId: string,
  topics: readonly string[],
): Promise<ReadonlyMap<string, readonly (Progress | undefined)[]>> {
  const wanted = await Promise.all(
    topics.map(async (topic) => ({
      topic,
      partitions: ((await connection.topic(topic))?.leaders ?? []).map((_, partition) => ({ partition })),
    })),
  );
  const coordinator = await connection.coordinator(groupId);
  const { responses } = await coordinator.offsetFetch({ groupId, topics: wanted });
  const found = new Map<string, readonly (Progress | undefined)[]>(topics.map((topic) => [topic, []]));
  for (const { topic, partitions } of responses) {
    const committed: (Progress | undefined)[] = [];
    for (const { partition, offset, metadata } of partitions)
      committed[partition] = Number(offset) < 0 ? undefined : new Progress(Number(offset), metadata);
    found.set(topic, committed);
  }
  return found;
}
