import type { Clock } from '../../src/base/clock.ts';
import { PlatformError } from '../../src/base/errors.ts';
import type {
  BackedChannel,
  Backend,
  BackendAdapter,
  ChannelSpec,
  Settings,
} from '../../src/channels/backend.ts';
import type { Consumer, GroupOptions } from '../../src/channels/channel.ts';
import { MemoryChannel } from '../../src/channels/memory/memory-channel.ts';

const LIMITS = { owedMax: 1000, owedBytesMax: 1_000_000, deadLettersMax: 10, graceMs: 1000 };

/** A broker in memory that goes away and comes back; what it holds stays. Its channels are lost, and are opened anew. */
export class FakeBroker implements BackendAdapter {
  readonly kind = 'FakeChannel';
  readonly configMap = 'fake-channel-config';
  readonly connects: Settings[] = [];
  readonly opened: string[] = [];
  /** What check() says of every channel. */
  trouble: string | undefined;
  /** Groups that cannot be served. */
  readonly refusedGroups = new Set<string>();
  readonly #clock: Clock;
  readonly #topics = new Map<string, MemoryChannel>();
  #away: AbortController | undefined;
  #isUp = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  goAway(): void {
    this.#isUp = false;
    this.#away?.abort(
      new PlatformError('CHANNEL_LOST', 'the broker closed the connection', { retryable: true }),
    );
  }

  comeBack(): void {
    this.#isUp = true;
  }

  async connect(settings: Settings): Promise<Backend> {
    if (!this.#isUp)
      throw new PlatformError('BACKEND_UNREACHABLE', 'connection refused by broker.test', {
        retryable: true,
      });
    this.connects.push(settings);
    const away = new AbortController();
    this.#away = away;
    return {
      lost: away.signal,
      open: async (channel) => this.#open(channel, away.signal),
      close: async () => undefined,
    };
  }

  #open({ name }: ChannelSpec, lost: AbortSignal): BackedChannel {
    if (lost.aborted) throw lost.reason;
    this.opened.push(name);
    const topic = this.#topics.get(name) ?? new MemoryChannel({ ...LIMITS, clock: this.#clock });
    this.#topics.set(name, topic);
    return {
      lost,
      publish: (event) => topic.publish(event),
      consume: async (group: string, options: GroupOptions, consumer: Consumer) => {
        if (this.refusedGroups.has(group))
          throw new PlatformError('BACKEND_REFUSED', `queue ${group} is locked`, { retryable: true });
        await topic.consume(group, options, consumer);
      },
      forget: (group) => topic.forget(group),
      backlog: () => topic.backlog(),
      deadLetters: (query) => topic.deadLetters(query),
      close: async () => undefined,
      check: async () => this.trouble,
      remove: async () => {
        const owed = await topic.backlog();
        this.#topics.delete(name);
        await topic.close();
        return owed.reduce((sum, { events }) => sum + events, 0);
      },
    };
  }
}
