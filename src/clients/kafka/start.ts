import type { KafkaConnection } from './connection.ts';
import type { Member } from './member.ts';
import { committedOf, END, FIRST, offsetsAt } from './offsets.ts';
import type { Progress } from './progress.ts';

/** Where a new group begins. */
export type Start = 'latest' | 'earliest' | { readonly sinceMs: number };

const WAIT_MAX_MS = 3000;
const ASK_EVERY_MS = 50;

export type StartTools = {
  readonly connection: KafkaConnection;
  readonly member: Member;
  readonly topic: string;
  readonly start: Start;
  /** Some run has served the group before: then Kafka has forgotten it, and what is kept is owed. */
  readonly wasServed: boolean;
};

/**
 * Where the group is in each partition of the topic, written to Kafka where it is not yet: a new group begins with its
 * start, a partition that was added later with its first event. Only the owner of partition 0 writes, in one commit, so
 * that two platforms that begin at once begin at the same place.
 */
export async function startedAt(tools: StartTools, isFirst: boolean): Promise<readonly Progress[]> {
  const untilMs = Date.now() + WAIT_MAX_MS;
  for (;;) {
    const known = await knownOf(tools);
    if (known.every((progress) => progress !== undefined)) return known;
    if (isFirst) await begin(tools, known);
    else if (Date.now() > untilMs)
      throw new Error(`nobody has begun the group ${tools.member.token.groupId}`);
    else await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}

/** Whether Kafka has a place for the group in every partition. */
export async function isStarted(connection: KafkaConnection, group: string, topic: string): Promise<boolean> {
  const partitions = (await connection.topic(topic))?.leaders.length ?? 0;
  const committed = (await committedOf(connection, group, [topic])).get(topic) ?? [];
  return partitions > 0 && Array.from({ length: partitions }, (_, id) => committed[id]).every(Boolean);
}

async function knownOf({
  connection,
  member,
  topic,
}: StartTools): Promise<readonly (Progress | undefined)[]> {
  const partitions = (await connection.topic(topic))?.leaders.length ?? 0;
  const committed = (await committedOf(connection, member.token.groupId, [topic])).get(topic) ?? [];
  return Array.from({ length: partitions }, (_, id) => committed[id]);
}

async function begin(tools: StartTools, known: readonly (Progress | undefined)[]): Promise<void> {
  const { connection, member, topic } = tools;
  const isNew = !tools.wasServed && known.every((progress) => progress === undefined);
  const offsets = await offsetsAt(connection, topic, isNew ? timestampOf(tools.start) : FIRST);
  const partitions = [...known.keys()]
    .filter((id) => known[id] === undefined)
    .map((id) => ({ partition: id, offset: String(offsets[id] ?? 0), metadata: '' }));
  const coordinator = await connection.coordinator(member.token.groupId);
  await coordinator.offsetCommit({ ...member.token, topics: [{ topic, partitions }] });
}

function timestampOf(start: Start): number {
  if (start === 'latest') return END;
  return start === 'earliest' ? FIRST : Math.max(0, start.sinceMs);
}
