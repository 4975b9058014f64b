import { isDeepStrictEqual } from 'node:util';
import type { Dispatcher as Outbound } from 'undici';
import type { Clock } from '../base/clock.ts';
import type { Channel } from '../channels/channel.ts';
import type { DeliveryPlan } from '../subscriptions/delivery-plan.ts';
import { deliverer } from './delivery/deliver.ts';

export type DispatcherOptions = {
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** The largest reply that is taken: the largest event. */
  readonly replyBytesMax: number;
};

/** One group that is no more: how many events it was owed. */
export type Forgotten = { readonly group: string; readonly name: string; readonly events: number };

/** Keeps the consumers of each channel in step with its plans. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #served = new Map<string, Map<string, DeliveryPlan>>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * Serves `channel` (`Kind/namespace/name`) by these plans and no others: a new or changed one begins to consume, a
   * missing one is forgotten with what it was owed. Resolves once events are kept for every plan (C4).
   */
  async serve(key: string, channel: Channel, plans: readonly DeliveryPlan[]): Promise<readonly Forgotten[]> {
    const before = this.#served.get(key) ?? new Map<string, DeliveryPlan>();
    const after = new Map(plans.map((plan) => [plan.group, plan]));
    this.#served.set(key, after);
    const tools = { ...this.#options, channel: key };
    for (const plan of plans) {
      if (isDeepStrictEqual(before.get(plan.group), plan)) continue;
      await channel.consume(plan.group, plan.options, deliverer(plan, tools));
    }
    const forgotten: Forgotten[] = [];
    for (const { group, name } of before.values()) {
      if (!after.has(group)) forgotten.push({ group, name, events: await channel.forget(group) });
    }
    return forgotten;
  }

  /** The channel is gone, or is no longer ours to serve. */
  leave(key: string): void {
    this.#served.delete(key);
  }
}
