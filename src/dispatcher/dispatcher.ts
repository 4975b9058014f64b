import { isDeepStrictEqual } from 'node:util';
import type { Dispatcher as Outbound } from 'undici';
import type { Clock } from '../base/clock.ts';
import { messageOf, PlatformError } from '../base/errors.ts';
import type { Channel } from '../channels/channel.ts';
import type { DeliveryPlan, Planned } from '../subscriptions/delivery-plan.ts';
import { deliverer } from './delivery/deliver.ts';
import { ReplyRoom } from './delivery/reply-room.ts';

export type DispatcherOptions = {
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** The largest reply that is taken: the largest event. */
  readonly replyBytesMax: number;
  /** Replies that are being received, all together; 256 MiB unless given. */
  readonly repliesBytesMax?: number;
};

/** How it stands with one subscriber. */
export type Served =
  /** Events are kept for it and offered to it. */
  | { readonly kind: 'serving'; readonly group: string }
  /** Nothing is offered to it, and why; what it was owed before waits. */
  | { readonly kind: 'waiting'; readonly group: string; readonly reason: string }
  /** The channel keeps events for it, and it is not among the subscribers: forget() is to give up what it is owed. */
  | { readonly kind: 'gone'; readonly group: string; readonly name: string };

type Group = { readonly plan: DeliveryPlan; readonly isPaused: boolean };
type ServedChannel = {
  readonly channel: Channel;
  readonly groups: Map<string, Group>;
  /** Groups that the channel knew before it was served here; undefined until it has told. */
  inherited: Set<string> | undefined;
  /** The last change under way; never rejects. One follows the other, so that the newest plans win. */
  turn: Promise<unknown>;
};

const REPLIES_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Keeps the consumers of each channel in step with its plans. It does not open or close channels: Channel.close() is
 * what drains deliveries (C6), with the grace time that the channel was opened with.
 *   S1  a subscriber without a valid plan is offered nothing more, and its events wait; only forget() gives them up.
 *   S2  the plans of one channel are applied one after the other, in the order of the calls.
 *   S3  a subscriber whose channel cannot take it yet holds up no other.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #room: ReplyRoom;
  readonly #served = new Map<string, ServedChannel>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#room = new ReplyRoom(options.repliesBytesMax ?? REPLIES_BYTES_MAX);
  }

  /**
   * Serves `channel` (`Kind/namespace/name`) by these plans and no others. Resolves once events are kept for every plan
   * (C4), with how it stands with each subscriber, the given ones and those that are gone; never rejects. A channel that
   * was reopened is served anew.
   */
  serve(key: string, channel: Channel, planned: readonly Planned[]): Promise<readonly Served[]> {
    let served = this.#served.get(key);
    if (served?.channel !== channel) {
      served = { channel, groups: new Map(), inherited: undefined, turn: Promise.resolve() };
      this.#served.set(key, served);
    }
    const current = served;
    return inTurn(current, () => this.#apply(key, current, planned));
  }

  /** Gives up what is owed to a subscriber that is no more, and says how many events that were (C5). */
  forget(key: string, group: string): Promise<number> {
    const served = this.#served.get(key);
    if (served === undefined) {
      const message = `${key} is not served, so nothing of ${group} can be forgotten`;
      return Promise.reject(new PlatformError('CHANNEL_NOT_SERVED', message, { retryable: true }));
    }
    return inTurn(served, async () => {
      const events = await served.channel.forget(group);
      served.groups.delete(group);
      served.inherited?.delete(group);
      return events;
    });
  }

  /** The channel is gone, or is no longer ours to serve. What it still offers is delivered by the plans it had. */
  leave(key: string): void {
    this.#served.delete(key);
  }

  async #apply(key: string, served: ServedChannel, planned: readonly Planned[]): Promise<readonly Served[]> {
    served.inherited ??= await groupsOf(served.channel);
    const given = new Map(planned.map((each) => [each.group, each]));
    const before = [...served.groups.values()];
    const pausing = before
      .filter(({ plan }) => given.get(plan.group)?.kind !== 'plan')
      .map(({ plan }) => this.#consume(key, served, { plan, isPaused: true }));
    const results = await Promise.all(
      planned.map(async (each): Promise<Served> => {
        if (each.kind === 'plan') return this.#consume(key, served, { plan: each, isPaused: false });
        return { kind: 'waiting', group: each.group, reason: each.reason };
      }),
    );
    await Promise.all(pausing);
    const known = new Set([...before.map(({ plan }) => plan.group), ...(served.inherited ?? [])]);
    const gone = [...known].filter((group) => !given.has(group));
    return [...results, ...gone.map((group) => goneOf(group, served.groups.get(group)?.plan))];
  }

  async #consume(key: string, served: ServedChannel, group: Group): Promise<Served> {
    const { plan, isPaused } = group;
    const { channel, groups } = served;
    const name = plan.group;
    if (isDeepStrictEqual(groups.get(name), group)) return { kind: 'serving', group: name };
    const options = isPaused ? { ...plan.options, inFlightMax: 0 } : plan.options; // S1
    try {
      await channel.consume(name, options, deliverer(plan, this.#tools(key)));
      groups.set(name, group);
      return { kind: 'serving', group: name };
    } catch (error) {
      if (groups.delete(name)) served.inherited?.add(name); // unknown how far it came: the next call consumes again
      return { kind: 'waiting', group: name, reason: messageOf(error) };
    }
  }

  #tools(channel: string): Parameters<typeof deliverer>[1] {
    const { outbound, clock, replyBytesMax } = this.#options;
    return { outbound, clock, replyBytesMax, channel, room: this.#room };
  }
}

function goneOf(group: string, plan: DeliveryPlan | undefined): Served {
  return { kind: 'gone', group, name: plan?.name ?? group };
}

/** Undefined when the channel cannot tell: that is not none. */
async function groupsOf(channel: Channel): Promise<Set<string> | undefined> {
  const backlogs = await channel.backlog().catch(() => undefined);
  return backlogs && new Set(backlogs.map(({ group }) => group));
}

/** S2 */
function inTurn<T>(served: ServedChannel, act: () => Promise<T>): Promise<T> {
  const acting = served.turn.then(act);
  served.turn = acting.catch(() => undefined); // the caller is told
  return acting;
}
