import type { BackingChannel, DeliverySpec, SubscriberEntry } from '../../src/apis/duck.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { DeadLetter } from '../../src/channels/channel.ts';
import { MemoryChannel } from '../../src/channels/memory/memory-channel.ts';
import { Dispatcher, type Served } from '../../src/dispatcher/dispatcher.ts';
import { createOutbound } from '../../src/http/outbound.ts';
import { planDelivery } from '../../src/subscriptions/delivery-plan.ts';
import { onSignal, type Signals } from '../../src/telemetry/signals.ts';
import { subscriber, type Subscriber } from './subscribers.ts';

export const KEY = 'InMemoryChannel/demo/orders';
export const OBJECT: BackingChannel = {
  apiVersion: 'messaging.knative.dev/v1',
  kind: 'InMemoryChannel',
  metadata: { namespace: 'demo', name: 'orders' },
};
/** Three attempts, close upon each other, each of them short. */
export const QUICK: DeliverySpec = {
  retry: 2,
  backoffPolicy: 'linear',
  backoffDelay: 'PT0.01S',
  timeout: 'PT0.3S',
};

type Entry = Omit<SubscriberEntry, 'uid'>;

/** A dispatcher on a channel in memory, and what it says. Entries get the uids u-0, u-1 …, and QUICK as delivery. */
export class DeliveryWorld {
  readonly channel: MemoryChannel;
  readonly dispatcher: Dispatcher;
  readonly attempts: Signals['dispatcher.attempted'][] = [];
  readonly replies: Signals['reply.sent'][] = [];
  readonly #release: (() => void)[] = [];

  constructor(options: { readonly graceMs?: number; readonly repliesBytesMax?: number } = {}) {
    const { graceMs = 100, repliesBytesMax = 1_000_000 } = options;
    const bounds = { owedMax: 1000, owedBytesMax: 1e9, deadLettersMax: 10 };
    this.channel = new MemoryChannel({ clock: systemClock, graceMs, ...bounds });
    const outbound = createOutbound({ route: () => undefined });
    this.dispatcher = new Dispatcher({
      outbound,
      clock: systemClock,
      replyBytesMax: 100_000,
      repliesBytesMax,
    });
    this.#release.push(
      onSignal('dispatcher.attempted', (signal) => this.attempts.push(signal)),
      onSignal('reply.sent', (signal) => this.replies.push(signal)),
      () => void outbound.destroy(),
    );
  }

  serve(...entries: readonly Entry[]): Promise<readonly Served[]> {
    return this.serveOn(OBJECT, ...entries);
  }

  serveOn(object: BackingChannel, ...entries: readonly Entry[]): Promise<readonly Served[]> {
    const plans = entries.map((entry, i) =>
      planDelivery(object, { uid: `u-${i}`, delivery: QUICK, ...entry }),
    );
    return this.dispatcher.serve(KEY, this.channel, plans);
  }

  letters(): Promise<readonly DeadLetter[]> {
    return this.channel.deadLetters({ limit: 10 });
  }

  /** Events that are kept and not settled, over all groups. */
  async owed(): Promise<number> {
    return (await this.channel.backlog()).reduce((sum, { events }) => sum + events, 0);
  }

  /** Is closed with this world. */
  with<T extends Subscriber>(one: T): T {
    this.#release.push(() => one.close());
    return one;
  }

  /** A subscriber that gives these codes, one a request, the last of them again and again. */
  async answering(...codes: readonly number[]): Promise<Subscriber> {
    const answer: Parameters<typeof subscriber>[0] = (response, _, count) =>
      response.writeHead(codes[count - 1] ?? codes.at(-1) ?? 204).end('why\n');
    return this.with(await subscriber(answer));
  }

  /** A subscriber that always gives this answer. */
  async answeringWith(
    code: number,
    headers: Readonly<Record<string, string>>,
    body: string | Buffer = '',
  ): Promise<Subscriber> {
    return this.with(await subscriber((response) => response.writeHead(code, headers).end(body)));
  }

  async close(): Promise<void> {
    await this.channel.close();
    for (const each of this.#release) each();
  }
}
