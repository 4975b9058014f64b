import { backoffDelayMs } from '../../base/backoff.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { KafkaConnection } from '../../clients/kafka/connection.ts';
import { removeGroup } from '../../clients/kafka/groups.ts';
import { MEMBER_TIMES } from '../../clients/kafka/member.ts';
import { loadProtocol } from '../../clients/kafka/protocol.ts';
import type { RunningSource, SourceAdapter, SourceTools } from '../source.ts';
import { OWN_GROUP_PREFIX, type KafkaPlan } from './plan.ts';
import { readBegun, writeBegun } from './progress.ts';
import { KafkaSession, type SessionTimes } from './session.ts';

/** A source that has nothing to do asks its coordinator less often than a channel does. */
export const SOURCE_TIMES: SessionTimes = {
  ...MEMBER_TIMES,
  heartbeatMs: 3000,
  idlePollMs: 4000,
  pulseMs: 15_000,
};
const RETRY = { policy: 'exponential', delayMs: 250, maxMs: 10_000 } as const;
/** A cluster that does not answer forgets a group by itself, in time. */
const REMOVE_MAX_MS = 5000;

export const kafkaAdapter: SourceAdapter<KafkaPlan> = kafkaAdapterWith(SOURCE_TIMES);

export function kafkaAdapterWith(times: SessionTimes): SourceAdapter<KafkaPlan> {
  return {
    open(plan, tools) {
      const source = new KafkaReader(plan, tools, times);
      source.start();
      return source;
    },
    patienceOf: ({ patience }) => patience,
    async remove({ group, settings }, { clock }) {
      if (!group.startsWith(OWN_GROUP_PREFIX)) return; // others may be in it, or come back to it
      const connection = new KafkaConnection(await loadProtocol(), settings);
      const done = new AbortController();
      const removed = removeGroup(connection, group, REMOVE_MAX_MS).catch(() => undefined);
      await Promise.race([removed, clock.until(clock.nowMs() + REMOVE_MAX_MS, done.signal)]);
      done.abort();
      connection.close();
    },
  };
}

/** Runs one session after the other, for as long as it is open. */
class KafkaReader implements RunningSource {
  readonly #plan: KafkaPlan;
  readonly #tools: SourceTools;
  readonly #times: SessionTimes;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #claims = '';
  #isRunning = false;

  constructor(plan: KafkaPlan, tools: SourceTools, times: SessionTimes) {
    this.#plan = plan;
    this.#tools = tools;
    this.#times = times;
  }

  start(): void {
    if (this.#plan.consumers === 0) this.#tools.tell({ kind: 'running', fields: { consumers: 0 } });
    else this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#tools;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const isFine = await this.#session();
      if (isFine) failures = 0;
      if (signal.aborted) return;
      const pauseMs = backoffDelayMs(RETRY, failures) * (0.5 + random() / 2);
      await clock.until(clock.nowMs() + pauseMs, signal);
    }
  }

  /** One session, to its end; whether it had begun. */
  async #session(): Promise<boolean> {
    const tools = this.#tools;
    const { signal } = this.#stop;
    let condition = 'Deployed';
    let session: KafkaSession | undefined;
    this.#isRunning = false;
    try {
      const begun = readBegun(await tools.bookmark.read(), this.#plan);
      session = new KafkaSession(this.#plan, {
        clock: tools.clock,
        deliver: (event, abort) => tools.deliver(event, abort),
        protocol: await loadProtocol(),
        times: this.#times,
        begun,
        onAssigned: (claims) => this.#tellClaims(claims),
        onRemoved: (message) => tools.warn('RecordsRemoved', message),
      });
      condition = 'ConnectionEstablished';
      await session.connect();
      condition = 'InitialOffsetsCommitted';
      await session.begin(signal);
      if (signal.aborted) return true;
      condition = 'Deployed';
      await tools.bookmark.write(writeBegun(this.#plan));
      this.#isRunning = true;
      this.#tellRunning();
      condition = 'ConnectionEstablished';
      this.#fail(condition, await Promise.race([session.over, aborted(signal)]));
    } catch (error) {
      this.#fail(condition, error);
    } finally {
      await session?.close();
    }
    return this.#isRunning;
  }

  #tellClaims(claims: string): void {
    this.#claims = claims;
    if (this.#isRunning) this.#tellRunning();
  }

  #tellRunning(): void {
    const fields = { consumers: this.#plan.consumers, claims: this.#claims };
    this.#tools.tell({ kind: 'running', fields });
  }

  #fail(condition: string, fault: unknown): void {
    if (this.#stop.signal.aborted) return;
    const code = fault instanceof PlatformError ? fault.code : '';
    this.#tools.tell({
      kind: 'failing',
      condition,
      reason: REASONS[code] ?? (condition === 'Deployed' ? 'ProgressNotKept' : 'KafkaUnreachable'),
      message: messageOf(fault),
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  BACKEND_REFUSED: 'KafkaRefuses',
  CHANNEL_LOST: 'TopicLost',
  GROUP_NOT_BEGUN: 'GroupNotBegun',
  TOPIC_NOT_FOUND: 'TopicNotFound',
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
