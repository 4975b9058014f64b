import type { Clock } from '../../base/clock.ts';
import type { KafkaConnection } from './connection.ts';
import type { Member } from './member.ts';
import type { Partition } from './partition.ts';

/** What is finished is told to Kafka no later: so much may be repeated after a crash, beside what is in flight. */
export const COMMIT_INTERVAL_MS = 100;
/** So many are told at once, however short the time. */
const UNTOLD_HIGH = 250;
/** With so many that Kafka has not heard of, nothing more is taken: what a crash repeats is no more than these. */
export const UNTOLD_MAX = 500;
const PAUSE_MS = 50;

/**
 * Tells Kafka how far we are, one commit at a time for all partitions that have changed.
 *   K1  only partitions that are ours in the member's generation are in a commit; Kafka refuses one that comes late.
 */
export class Committer {
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  readonly #member: Member;
  readonly #partitions: () => Iterable<Partition>;
  readonly #onTold: () => void;
  readonly #stop = new AbortController();
  #isArmed = false;
  #committing: Promise<void> | undefined;

  constructor(
    tools: { readonly connection: KafkaConnection; readonly clock: Clock },
    member: Member,
    partitions: () => Iterable<Partition>,
    onTold: () => void,
  ) {
    this.#connection = tools.connection;
    this.#clock = tools.clock;
    this.#member = member;
    this.#partitions = partitions;
    this.#onTold = onTold;
  }

  /** Whether Kafka has yet to hear of as much as may be repeated. */
  get isBehind(): boolean {
    return this.#untold() >= UNTOLD_MAX;
  }

  /** Something was finished: it goes with the next commit. */
  mark(partition: Partition): void {
    partition.version += 1;
    partition.untold += 1;
    if (this.#untold() < UNTOLD_HIGH) void this.#later();
    else if (this.#committing === undefined) void this.commit().catch(() => this.#later());
  }

  /** It goes with the next commit, and nothing comes again without it. */
  touch(partition: Partition): void {
    partition.version += 1;
    void this.#later();
  }

  /** Resolves once Kafka has what was noted of this partition, or once it is not ours any more. */
  async flush(partition: Partition): Promise<void> {
    partition.version += 1;
    const { version } = partition;
    while (!this.#isOver(partition) && partition.committedVersion < version) {
      try {
        await this.commit();
      } catch {
        await this.#clock.until(this.#clock.nowMs() + PAUSE_MS, this.#stop.signal); // a rebalance, or the connection
      }
    }
  }

  /** Commits what has changed, behind a commit that is under way. */
  async commit(): Promise<void> {
    await this.#committing?.catch(() => undefined);
    await (this.#committing ??= this.#commit().finally(() => (this.#committing = undefined)));
  }

  stop(): void {
    this.#stop.abort();
  }

  #isOver(partition: Partition): boolean {
    return partition.isGone || this.#stop.signal.aborted || this.#connection.isClosed;
  }

  #untold(): number {
    let count = 0;
    for (const { untold, isGone } of this.#partitions()) if (!isGone) count += untold;
    return count;
  }

  async #later(): Promise<void> {
    if (this.#isArmed) return;
    this.#isArmed = true;
    await this.#clock.until(this.#clock.nowMs() + COMMIT_INTERVAL_MS, this.#stop.signal);
    this.#isArmed = false;
    if (this.#stop.signal.aborted) return;
    await this.commit().catch(() => undefined); // whoever comes next tries again
    for (const partition of this.#partitions())
      if (partition.isDirty && !partition.isGone) return void this.#later();
  }

  async #commit(): Promise<void> {
    const coordinator = await this.#connection.coordinator(this.#member.token.groupId);
    const dirty = [...this.#partitions()].filter(({ isDirty, isGone }) => isDirty && !isGone); // K1
    if (dirty.length === 0) return;
    const versions = dirty.map(({ version }) => version);
    const told = dirty.map(({ untold }) => untold);
    const topics = [...Map.groupBy(dirty, ({ topic }) => topic)].map(([topic, partitions]) => ({
      topic,
      partitions: partitions.map(({ id, progress }) => ({
        partition: id,
        offset: String(progress.committed),
        metadata: progress.encode(),
      })),
    }));
    await coordinator.offsetCommit({ ...this.#member.token, topics });
    for (const [index, partition] of dirty.entries()) {
      partition.committedVersion = Math.max(partition.committedVersion, versions[index] ?? 0);
      partition.untold -= told[index] ?? 0;
    }
    this.#onTold();
  }
}
