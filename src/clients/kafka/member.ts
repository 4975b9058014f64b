import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { KafkaConnection } from './connection.ts';
import { divide, type Assignment } from './divide.ts';
import { isMoved, isRefused, kafkaCode } from './faults.ts';
import { thereNow } from './topics.ts';
import type { Broker } from './protocol.ts';

export type MemberTimes = {
  /** A member that is silent for so long is taken for gone, and its partitions go to others. */
  readonly sessionTimeoutMs: number;
  /** How long others are given to come back when one joins or leaves. */
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
};

export const MEMBER_TIMES: MemberTimes = {
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 20_000,
  heartbeatMs: 1000,
};

/** What a membership tells whoever does the work. */
export type Membership = {
  /** These are ours from now on, and nothing else is. */
  assigned(assignment: Assignment): Promise<void>;
  /** The group is about to be divided anew: stop what may not go on, and commit. */
  revoking(): Promise<void>;
  /** We were taken for gone: nothing is ours, and nothing may be committed. */
  expelled(): void;
  /** It cannot go on, and no patience helps. */
  failed(error: unknown): void;
};

const PROTOCOL = 'millrace';
const PAUSE_MS = 100;
/** A broker that was away counts a member's session anew when it is back: so long is it told that we have left. */
const LEAVE_LATE_MAX_MS = 60_000;
const LEAVE_LATE_EVERY_MS = 250;
/** Without an answer for so long, the connection is given up. */
const TROUBLE_MAX_MS = 30_000;

/**
 * One platform's place in a consumer group, by Kafka's classic protocol (eager: at each change all give back, and get
 * anew). Who leads the group divides it (divide.ts); members need not have asked for the same topics.
 *   B1  `isHeld` only while the coordinator has heard from us within the session timeout: past it others may own what we had.
 *   B2  a commit names the generation in which its partitions were given, so that Kafka refuses one that comes late.
 */
export class Member {
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  readonly #times: MemberTimes;
  readonly #group: string;
  readonly #topics: readonly string[];
  readonly #isSpread: boolean;
  readonly #work: Membership;
  readonly #stop = new AbortController();
  #rejoin = new AbortController();
  #memberId = '';
  #generation = -1;
  #heardMs = 0;
  #running: Promise<void> | undefined;

  constructor(
    tools: { readonly connection: KafkaConnection; readonly clock: Clock; readonly times: MemberTimes },
    group: { readonly name: string; readonly topics: readonly string[]; readonly isSpread?: boolean },
    work: Membership,
  ) {
    this.#connection = tools.connection;
    this.#clock = tools.clock;
    this.#times = tools.times;
    this.#group = group.name;
    this.#topics = group.topics;
    this.#isSpread = group.isSpread ?? false;
    this.#work = work;
  }

  /** B1 */
  get isHeld(): boolean {
    return this.#generation >= 0 && this.#clock.nowMs() - this.#heardMs < this.#times.sessionTimeoutMs;
  }

  /** B2 */
  get token(): { readonly groupId: string; readonly groupGenerationId: number; readonly memberId: string } {
    return { groupId: this.#group, groupGenerationId: this.#generation, memberId: this.#memberId };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The topics have other partitions now: the group is to be divided anew. */
  rejoin(): void {
    this.#rejoin.abort();
  }

  /** Ends the membership, so that others need not wait for the session to time out. */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#memberId === '' || this.#connection.isClosed) return;
    await this.#leaveGroup().catch(() => undefined); // then the session times out
  }

  /** The same when the broker has gone: tries for a while, so that what opens anew need not wait for our session. */
  async leaveLate(connection: KafkaConnection): Promise<void> {
    this.#stop.abort();
    if (this.#memberId === '') return;
    const untilMs = Date.now() + LEAVE_LATE_MAX_MS;
    const request = { groupId: this.#group, memberId: this.#memberId };
    for (let isDone = false; !isDone && Date.now() < untilMs;) {
      isDone = await connection
        .coordinator(this.#group)
        .then((broker) => broker.leaveGroup(request))
        .then(
          () => true,
          (error: unknown) => kafkaCode(error) === 'UNKNOWN_MEMBER_ID',
        );
      if (!isDone) await new Promise<void>((resolve) => setTimeout(resolve, LEAVE_LATE_EVERY_MS).unref());
    }
    connection.close();
  }

  async #leaveGroup(): Promise<void> {
    const broker = await this.#connection.coordinator(this.#group);
    await broker.leaveGroup({ groupId: this.#group, memberId: this.#memberId });
  }

  async #run(): Promise<void> {
    for (let fineMs = this.#clock.nowMs(); !this.#stop.signal.aborted;) {
      try {
        const assignment = await this.#join();
        fineMs = this.#clock.nowMs();
        if (this.#stop.signal.aborted) return;
        await this.#work.assigned(assignment);
        if (await this.#beat()) await this.#work.revoking();
        else this.#work.expelled();
        fineMs = this.#clock.nowMs();
      } catch (error) {
        if (this.#stop.signal.aborted || this.#connection.isClosed) return;
        this.#learn(error);
        const isOver =
          error instanceof PlatformError || isRefused(error) || this.#clock.nowMs() - fineMs > TROUBLE_MAX_MS;
        if (isOver) return this.#work.failed(error);
        await this.#clock.until(this.#clock.nowMs() + PAUSE_MS, this.#stop.signal);
      }
    }
  }

  #learn(error: unknown): void {
    const code = kafkaCode(error);
    if (code !== 'UNKNOWN_MEMBER_ID' && code !== 'ILLEGAL_GENERATION') return;
    if (code === 'UNKNOWN_MEMBER_ID') this.#memberId = '';
    this.#generation = -1;
    this.#work.expelled();
  }

  async #join(): Promise<Assignment> {
    this.#rejoin = new AbortController();
    const { MemberMetadata, MemberAssignment } = this.#connection.protocol.assigner;
    const coordinator = await this.#connection.coordinator(this.#group);
    const joined = await coordinator.joinGroup({
      groupId: this.#group,
      sessionTimeout: this.#times.sessionTimeoutMs,
      rebalanceTimeout: this.#times.rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupProtocols: [
        { name: PROTOCOL, metadata: MemberMetadata.encode({ version: 0, topics: this.#topics }) },
      ],
    });
    this.#memberId = joined.memberId;
    const groupAssignment = joined.leaderId === joined.memberId ? await this.#divide(joined.members) : [];
    const { generationId, memberId } = joined;
    const synced = await coordinator.syncGroup({
      groupId: this.#group,
      generationId,
      memberId,
      groupAssignment,
    });
    this.#generation = generationId;
    this.#heardMs = this.#clock.nowMs();
    return MemberAssignment.decode(synced.memberAssignment)?.assignment ?? {};
  }

  async #divide(
    members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[],
  ): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    const { MemberAssignment, MemberMetadata } = this.#connection.protocol.assigner;
    const subscribers = members.map(({ memberId, memberMetadata }) => ({
      memberId,
      topics: MemberMetadata.decode(memberMetadata).topics,
    }));
    const partitionsOf = new Map<string, number>();
    for (const topic of new Set(subscribers.flatMap(({ topics }) => topics))) {
      const isOurs = this.#topics.includes(topic);
      const found = isOurs ? await thereNow(this.#connection, topic) : await this.#connection.topic(topic);
      if (found !== undefined) partitionsOf.set(topic, found.leaders.length);
    }
    return [...divide(subscribers, partitionsOf, this.#isSpread)].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({ version: 0, assignment }),
    }));
  }

  /** Until the group is divided anew; false when we were expelled. */
  async #beat(): Promise<boolean> {
    let broker: Broker | undefined;
    const over = AbortSignal.any([this.#stop.signal, this.#rejoin.signal]);
    for (;;) {
      await this.#clock.until(this.#clock.nowMs() + this.#times.heartbeatMs, over);
      if (over.aborted) return true;
      const askedMs = this.#clock.nowMs();
      try {
        broker ??= await this.#connection.coordinator(this.#group);
        await broker.heartbeat(this.token);
        this.#heardMs = askedMs;
      } catch (error) {
        const code = kafkaCode(error);
        if (code === 'REBALANCE_IN_PROGRESS') return true;
        if (code === 'UNKNOWN_MEMBER_ID' || code === 'ILLEGAL_GENERATION') {
          this.#learn(error);
          return false;
        }
        if (code !== undefined && !isMoved(error)) throw error;
        broker = undefined; // the coordinator has moved, or its connection is gone
        if (this.#connection.isClosed) return false;
        if (askedMs - this.#heardMs > TROUBLE_MAX_MS) throw error;
      }
    }
  }
}
