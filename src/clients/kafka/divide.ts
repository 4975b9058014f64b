export type Subscriber = { readonly memberId: string; readonly topics: readonly string[] };

/** Partition numbers by topic. */
export type Assignment = Readonly<Record<string, readonly number[]>>;

/**
 * Who has which partitions: each topic's are for those who asked for it, by turns. `isSpread`: the turns of one topic
 * begin where those of the one before it ended, so that many small topics are shared out as well; otherwise partition p of
 * every topic belongs to the same member, so that what belongs together stays together.
 */
export function divide(
  subscribers: readonly Subscriber[],
  partitionsOf: ReadonlyMap<string, number>,
  isSpread: boolean,
): ReadonlyMap<string, Assignment> {
  const sorted = subscribers.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const shares = new Map(sorted.map(({ memberId }) => [memberId, {} as Record<string, number[]>]));
  let turn = 0;
  for (const [topic, count] of [...partitionsOf].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const asked = sorted.filter(({ topics }) => topics.includes(topic));
    if (asked.length === 0) continue;
    const first = isSpread ? turn : 0;
    for (let partition = 0; partition < count; partition += 1) {
      const share = shares.get(asked[(first + partition) % asked.length]?.memberId ?? '');
      if (share !== undefined) (share[topic] ??= []).push(partition);
    }
    turn += count;
  }
  return shares;
}
