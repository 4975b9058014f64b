import type { KafkaConnection } from '../../clients/kafka/connection.ts';
import type { Member } from '../../clients/kafka/member.ts';
import { END, FIRST, offsetsAt } from '../../clients/kafka/offsets.ts';
import { Partition } from '../../clients/kafka/partition.ts';
import { Progress } from '../../clients/kafka/progress.ts';
import { startedAt, type Start } from '../../clients/kafka/start.ts';

export type Places = {
  readonly connection: KafkaConnection;
  readonly member: Member;
  readonly start: Start;
  /** Topics whose start was once committed: what Kafka has forgotten since is owed from the first that it keeps. */
  readonly begun: ReadonlySet<string>;
  /** What was ours until now, and may be in hand. */
  readonly held: readonly Partition[];
};

/** The partitions of a topic that are ours now, each where the group is in it, or as far as we are already. */
export async function partitionsOf(
  places: Places,
  topic: string,
  mine: readonly number[],
): Promise<Partition[]> {
  const { connection, member, start, begun, held } = places;
  const known = await startedAt(
    { connection, member, topic, start, wasServed: begun.has(topic) },
    mine.includes(0),
  );
  if (mine.length === 0) return [];
  const ends = await offsetsAt(connection, topic, END);
  // The group is past the end of a topic that was made anew: all of that is owed.
  const isPast = (id: number): boolean => (known[id]?.committed ?? 0) > (ends[id] ?? Infinity);
  const firsts = mine.some(isPast) ? await offsetsAt(connection, topic, FIRST) : [];
  return mine.map((id) => {
    const own = held.find((each) => each.topic === topic && each.id === id && !each.isGone);
    if (own !== undefined) return own;
    const progress = isPast(id) ? new Progress(firsts[id] ?? 0) : (known[id] ?? new Progress(0));
    return new Partition({ topic, id, isRetry: false }, progress);
  });
}
