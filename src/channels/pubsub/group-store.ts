import { PlatformError } from '../../base/errors.ts';
import type { Calls } from '../../clients/pubsub/client.ts';
import { backendFault, wordsOf } from '../../clients/pubsub/faults.ts';
import { LEASE_S } from '../../clients/pubsub/leases.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import { Resources, TOPIC_GONE } from '../../clients/pubsub/resources.ts';
import { takenOf } from '../../clients/pubsub/taken-message.ts';
import type { ChannelSpec } from '../backend.ts';
import type { GroupOptions, Start } from '../channel.ts';
import type { GroupNames, Names } from './names.ts';
import { packParcel } from './parcel.ts';
import { Publisher } from './publisher.ts';
import { orderRefusal, type PubsubGroup } from './pubsub-group.ts';

type Subscription = Calls['getSubscription'][1];

/** Who made a thing, for people who look at it; what decides is the claim. */
const CHANNEL_LABEL = 'millrace-channel';
const CALL_MAX_MS = 10_000;
const RESCUE_POLL_MS = 2000;

/** What a channel and its groups have in the broker: made, looked after, removed. */
export class GroupStore {
  readonly #link: Link;
  readonly #names: Names;
  readonly #spec: ChannelSpec;
  readonly #resources: Resources;
  readonly #labels: Record<string, string>;

  constructor(link: Link, names: Names, spec: ChannelSpec) {
    this.#link = link;
    this.#names = names;
    this.#spec = spec;
    this.#resources = new Resources(link);
    this.#labels = { [CHANNEL_LABEL]: labelOf(spec.uid) };
  }

  /** The topic, which is ours or somebody else's by name, and the dead letters beside it. */
  async makeChannel(): Promise<void> {
    const { topic, deadTopic, dead } = this.#names;
    const { externalName, claim } = this.#spec;
    const found = await this.#resources.topic(topic);
    if (found === undefined && externalName !== undefined)
      throw new PlatformError('CHANNEL_NOT_FOUND', `${topic} is not there`, { retryable: true });
    if (found !== undefined && externalName === undefined && !claim.isOurs) throw taken(topic);
    if (found === undefined) {
      await claim.make();
      await this.#resources.makeTopic(topic, this.#labels);
    }
    await this.#resources.makePair(deadTopic, dead, this.#labels);
  }

  /** Whether one of the groups that were served before is ordered; of one that others share, that is known once it is served. */
  async hasOrdered(): Promise<boolean> {
    const found = await Promise.all(
      this.#spec.groups.map((group) =>
        this.#resources.subscription(this.#names.of(group, undefined).subscription),
      ),
    );
    return found.some((each) => each?.enableMessageOrdering === true);
  }

  /** What a group needs; resolves once events are kept for it. */
  async make(group: string, options: GroupOptions, lost: AbortSignal): Promise<GroupNames> {
    const names = this.#names.of(group, options.sharedName);
    const { subscription, retryTopic, retry, notesTopic, notes } = names;
    const found = await this.#resources.subscription(subscription);
    if (found !== undefined) refuseIfForeign(found, this.#names.topic, options);
    await this.#resources.makePair(retryTopic, retry, this.#labels);
    if (options.isOrdered) await this.#resources.makePair(notesTopic, notes, this.#labels);
    if (found?.topic === TOPIC_GONE) await this.#rescue(names, lost);
    if (found === undefined || found.topic === TOPIC_GONE)
      await this.#makeSubscription(subscription, options);
    return names;
  }

  /** Of a group that is not shared. */
  async remove(group: string): Promise<void> {
    const { subscription, retryTopic, retry, notesTopic, notes } = this.#names.of(group, undefined);
    await Promise.all([
      this.#resources.removeSubscription(subscription),
      this.#resources.removePair(retryTopic, retry),
      this.#resources.removePair(notesTopic, notes),
    ]);
  }

  /** What is external stays, and the dead letters of those who share it. */
  async removeChannel(hasShared: boolean): Promise<void> {
    const { topic, deadTopic, dead } = this.#names;
    const isExternal = this.#spec.externalName !== undefined;
    const found = isExternal ? await this.#resources.topic(deadTopic) : undefined;
    const isOwnDead = found?.labels?.[CHANNEL_LABEL] === labelOf(this.#spec.uid) && !hasShared;
    if (!isExternal || isOwnDead) await this.#resources.removePair(deadTopic, dead);
    if (!isExternal) await this.#resources.removeTopic(topic);
  }

  /** What is wrong with the channel, or with one of its groups; undefined when nothing is. */
  async troubleOf(group: PubsubGroup | undefined): Promise<string | undefined> {
    const { topic, deadTopic } = this.#names;
    try {
      const [found, foundDead] = await Promise.all([
        this.#resources.topic(topic),
        this.#resources.topic(deadTopic),
      ]);
      if (found === undefined) return `${topic} is not there`;
      if (foundDead === undefined) return `${deadTopic} is not there`;
      return group === undefined ? undefined : await this.#troubleOfGroup(group.names);
    } catch (error) {
      return wordsOf(error);
    }
  }

  async #troubleOfGroup({ subscription, retry }: GroupNames): Promise<string | undefined> {
    const [found, foundRetry] = await Promise.all([
      this.#resources.subscription(subscription),
      this.#resources.subscription(retry),
    ]);
    if (found === undefined) return `${subscription} is not there`;
    if (found.topic !== this.#names.topic)
      return `${subscription} is no subscription of ${this.#names.topic}`;
    if (found.detached === true) return `${subscription} is detached from its topic`;
    return foundRetry === undefined ? `${retry} is not there` : undefined;
  }

  async #makeSubscription(subscription: string, { start, isOrdered }: GroupOptions): Promise<void> {
    const { topic } = this.#names;
    const sinceMs = await this.#startOf(start);
    await this.#resources.makeSubscription(subscription, topic, { isOrdered, labels: this.#labels });
    if (sinceMs === undefined) return;
    const time = { seconds: Math.floor(sinceMs / 1000), nanos: (sinceMs % 1000) * 1e6 };
    try {
      await this.#link.call('seek', { subscription, time }, CALL_MAX_MS);
    } catch (error) {
      await this.#resources.removeSubscription(subscription); // or it would begin with what comes now
      throw backendFault(`starting ${subscription} at ${new Date(sinceMs).toISOString()}`, error);
    }
  }

  /** Where to seek to; only a topic that keeps what every subscription has settled can be read from before. */
  async #startOf(start: Start): Promise<number | undefined> {
    if (start === 'latest') return undefined;
    const found = await this.#resources.topic(this.#names.topic);
    const kept = Number(found?.messageRetentionDuration?.seconds ?? 0);
    if (kept === 0) {
      const message = `${this.#names.topic} keeps no messages for later subscriptions (it has no message retention); start can only be latest`;
      throw new PlatformError('CHANNEL_START_UNSUPPORTED', message, { retryable: true });
    }
    return start === 'earliest' ? Date.now() - kept * 1000 : start.sinceMs;
  }

  /**
   * Its topic was deleted, and a subscription cannot be given another one: what it still owes goes to the retry topic, and
   * it is made anew. Done once nothing has come for longer than a lease, which those who were at work may still have.
   */
  async #rescue({ subscription, retryTopic }: GroupNames, lost: AbortSignal): Promise<void> {
    const publisher = new Publisher(this.#link, retryTopic, lost);
    const quietMs = (LEASE_S + 1) * 1000;
    for (let sinceMs = Date.now(); Date.now() - sinceMs < quietMs;) {
      if (lost.aborted) throw backendFault(`moving what ${subscription} owes`, lost.reason);
      const messages = await this.#link
        .poll({ subscription, maxMessages: 100 }, RESCUE_POLL_MS, lost)
        .catch(() => []);
      if (messages.length === 0) continue;
      sinceMs = Date.now();
      await Promise.all(
        messages.map(({ message }) => {
          const parcel = {
            original: takenOf(message),
            stage: { kind: 'deliver' },
            attempt: 1,
            dueMs: 0,
          } as const;
          return publisher.publish(packParcel(parcel));
        }),
      );
      const ackIds = messages.map(({ ackId }) => ackId ?? '');
      await this.#link.call('acknowledge', { subscription, ackIds }, CALL_MAX_MS);
    }
    await this.#resources.removeSubscription(subscription);
  }
}

function refuseIfForeign(found: Subscription, topic: string, { isOrdered }: GroupOptions): void {
  const name = found.name ?? '';
  if (found.topic !== topic && found.topic !== TOPIC_GONE) throw taken(name);
  if ((found.pushConfig?.pushEndpoint ?? '') !== '') throw taken(name);
  if ((found.enableMessageOrdering ?? false) !== isOrdered) throw orderRefusal(name, isOrdered);
}

function taken(what: string): PlatformError {
  const message =
    `${what} is there, and was not made for this channel; to use a topic of somebody else, name it in the annotation ` +
    'messaging.millrace.dev/external-name, else remove it';
  return new PlatformError('CHANNEL_NAME_TAKEN', message, { retryable: true });
}

/** Lower-case letters, digits, - and _, at most 63 of them. */
function labelOf(uid: string): string {
  return uid
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .slice(0, 63);
}
