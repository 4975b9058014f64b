import { randomBytes } from 'node:crypto';
import { PubSub, type Topic } from '@google-cloud/pubsub';
import { systemClock } from '../../../src/base/clock.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { cloudPubSubAdapter } from '../../../src/sources/pubsub/cloud-pubsub-adapter.ts';
import type { PubSubPlan } from '../../../src/sources/pubsub/plan.ts';
import type { RunningSource, SourceAdapter, SourceState, SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark, noCluster } from '../../contracts/source.ts';
import { pubsubServer } from '../../servers/pubsub.ts';
import { sharedServer } from '../../servers/shared.ts';

export const PROJECT = 'source-project';
export const WAIT = { timeout: 20_000, interval: 20 };

/** The emulator of this run, and what to say of it in a title. */
export const server = await sharedServer(pubsubServer);
export const title = (name: string): string =>
  server.kind === 'running' ? name : `${name} (skipped: ${server.reason})`;
export const address = server.kind === 'running' ? server.address : '';

/** Somebody else's client of the emulator. */
export function plainClient(): PubSub {
  const clientOptions = { universeDomain: 'googleapis.com' };
  return new PubSub({ projectId: PROJECT, apiEndpoint: address, emulatorMode: true, clientOptions });
}

/** One topic, and sources that read it by a subscription of one name, one after the other or at once. */
export class SourceWorld {
  readonly plain = plainClient();
  readonly topic: Topic;
  readonly plan: PubSubPlan;
  readonly bookmark = new MemoryBookmark();
  readonly events: CloudEvent[] = [];
  readonly states: SourceState[] = [];
  readonly warnings: string[] = [];
  /** What the sink does with an event. */
  sink: SourceTools['deliver'] = async () => 'taken';
  readonly #adapter: SourceAdapter<PubSubPlan>;
  readonly #opened: RunningSource[] = [];

  private constructor(host: string) {
    const id = randomBytes(4).toString('hex'); // servers are shared
    this.topic = this.plain.topic(`orders-${id}`);
    this.#adapter = cloudPubSubAdapter({ lookEveryMs: 500, retryFirstMs: 50, retryMaxMs: 400 });
    this.plan = {
      settings: { project: PROJECT, access: { kind: 'emulator', host } },
      topic: `projects/${PROJECT}/topics/orders-${id}`,
      subscription: `projects/${PROJECT}/subscriptions/cre-src_shop_orders_${id}`,
      ackDeadlineS: 10,
      retentionS: 3600,
      isRetained: false,
    };
  }

  static async open(host = address, hasTopic = true): Promise<SourceWorld> {
    const world = new SourceWorld(host);
    if (hasTopic) await world.topic.create();
    return world;
  }

  source(plan: Partial<PubSubPlan> = {}, tools: Partial<SourceTools> = {}): RunningSource {
    const source = this.#adapter.open({ ...this.plan, ...plan }, { ...this.tools(), ...tools });
    this.#opened.push(source);
    return source;
  }

  remove(): Promise<void> {
    return this.#adapter.remove?.(this.plan, this.tools()) ?? Promise.resolve();
  }

  tools(): SourceTools {
    return {
      clock: systemClock,
      random: () => 0.5,
      bookmark: this.bookmark,
      clusterAt: noCluster,
      reader: undefined as never, // a subscription needs none
      tell: (state) => this.states.push(state),
      warn: (reason, message) => this.warnings.push(`${reason}: ${message}`),
      deliver: async (event, signal) => {
        const outcome = await this.sink(event, signal);
        this.events.push(event);
        return outcome;
      },
    };
  }

  get isThere(): Promise<boolean> {
    return this.plain
      .subscription(this.plan.subscription)
      .exists()
      .then(([is]) => is);
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((source) => source.close()));
    await this.plain
      .subscription(this.plan.subscription)
      .delete()
      .catch(() => undefined); // it may be gone
    await this.topic.delete().catch(() => undefined);
    await this.plain.close();
  }
}

/** A sink that takes nothing until it is told to, and lets go when the source is closed. */
export function shutSink(): {
  readonly sink: SourceTools['deliver'];
  readonly open: () => void;
  asked: number;
} {
  const gate = Promise.withResolvers<'taken'>();
  const shut = {
    asked: 0,
    open: () => gate.resolve('taken'),
    sink: (_: CloudEvent, signal: AbortSignal): Promise<'taken'> => {
      shut.asked += 1;
      const closed = new Promise<never>((_resolve, reject) => {
        const stop = (): void => reject(new DOMException('stopped', 'AbortError'));
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop, { once: true });
      });
      return Promise.race([gate.promise, closed]);
    },
  };
  return shut;
}

export const textOf = ({ body }: CloudEvent): string => Buffer.from(body).toString();
/** The data of a message that was wrapped. */
export const wrappedText = (event: CloudEvent): string =>
  Buffer.from((JSON.parse(textOf(event)) as { message: { data: string } }).message.data, 'base64').toString();
