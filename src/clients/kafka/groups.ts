import type { KafkaConnection } from './connection.ts';
import { kafkaCode, refused } from './faults.ts';

const ASK_EVERY_MS = 100;

/** The consumer groups that any broker knows. */
export async function listGroups(connection: KafkaConnection): Promise<readonly string[]> {
  const answers = await Promise.all((await connection.every()).map((broker) => broker.listGroups()));
  return answers.flatMap(({ groups }) => groups.map(({ groupId }) => groupId));
}

/**
 * Removes a group that is nobody's any more. Members of a platform that has died are told to leave; one that comes back
 * meanwhile is tried again until `maxMs` have passed. What is gone is no error.
 */
export async function removeGroup(connection: KafkaConnection, group: string, maxMs: number): Promise<void> {
  const untilMs = Date.now() + maxMs;
  for (;;) {
    const coordinator = await connection.coordinator(group);
    const { results } = await coordinator.deleteGroups([group]);
    const error = results[0]?.error;
    const code = kafkaCode(error);
    if (error === undefined || code === 'GROUP_ID_NOT_FOUND') return;
    if (code !== 'NON_EMPTY_GROUP' || Date.now() > untilMs)
      throw refused(`deleting consumer group ${group}`, error);
    const [described] = (await coordinator.describeGroups({ groupIds: [group] })).groups;
    for (const { memberId } of described?.members ?? [])
      await coordinator.leaveGroup({ groupId: group, memberId }).catch(() => undefined); // it has left
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}
