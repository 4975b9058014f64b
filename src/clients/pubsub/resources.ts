import { PlatformError } from '../../base/errors.ts';
import type { Calls } from './client.ts';
import { ALREADY_EXISTS, backendFault, INVALID_ARGUMENT, NOT_FOUND, statusOf } from './faults.ts';
import { LEASE_S } from './leases.ts';
import type { Link } from './link.ts';

type Topic = Calls['getTopic'][1];
type Subscription = Calls['getSubscription'][1];

const CALL_MAX_MS = 10_000;
const DAY_S = 86_400;
/** As long as Pub/Sub keeps anything; where that is not taken (the emulator), the former limit. */
const RETENTIONS_S = [31 * DAY_S, 7 * DAY_S];
/** What a subscription says when its topic is gone. */
export const TOPIC_GONE = '_deleted-topic_';

/** Topics and subscriptions: what is there is taken as it is, what is not is made, what is gone is no error. */
export class Resources {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  topic(topic: string): Promise<Topic | undefined> {
    return this.#find('getTopic', { topic }, topic);
  }

  subscription(subscription: string): Promise<Subscription | undefined> {
    return this.#find('getSubscription', { subscription }, subscription);
  }

  async makeTopic(name: string, labels: Record<string, string>): Promise<void> {
    await this.#make('createTopic', { name, labels }, name);
  }

  /** With all that Pub/Sub can keep: for as long as it can, and never removed for want of use. */
  async makeSubscription(
    name: string,
    topic: string,
    options: { readonly isOrdered: boolean; readonly labels: Record<string, string> },
  ): Promise<void> {
    for (const [index, seconds] of RETENTIONS_S.entries()) {
      const request = {
        name,
        topic,
        labels: options.labels,
        ackDeadlineSeconds: LEASE_S,
        enableMessageOrdering: options.isOrdered,
        messageRetentionDuration: { seconds },
        expirationPolicy: {}, // without a ttl: never
      };
      try {
        return await this.subscribe(request);
      } catch (error) {
        const isRefused = error instanceof PlatformError && statusOf(error.cause) === INVALID_ARGUMENT;
        if (!isRefused || index === RETENTIONS_S.length - 1) throw error;
      }
    }
  }

  /** As it is given, when it is not there; rejects with a cause of NOT_FOUND when its topic is not. */
  async subscribe(request: Calls['createSubscription'][0] & { readonly name: string }): Promise<void> {
    await this.#make('createSubscription', request, request.name);
  }

  /** Changes these fields, `ack_deadline_seconds`, of a subscription that is there. */
  async changeSubscription(
    subscription: Calls['createSubscription'][0] & { readonly name: string },
    paths: string[],
  ): Promise<void> {
    try {
      await this.#link.call('updateSubscription', { subscription, updateMask: { paths } }, CALL_MAX_MS);
    } catch (error) {
      throw backendFault(`changing ${subscription.name}`, error);
    }
  }

  /** A topic of ours with one subscription. */
  async makePair(topic: string, subscription: string, labels: Record<string, string>): Promise<void> {
    const [hasTopic, found] = await Promise.all([this.topic(topic), this.subscription(subscription)]);
    if (found !== undefined && found.topic !== topic) await this.removeSubscription(subscription); // of a topic that is gone
    if (hasTopic === undefined) await this.makeTopic(topic, labels);
    if (found?.topic !== topic)
      await this.makeSubscription(subscription, topic, { isOrdered: false, labels });
  }

  async removePair(topic: string, subscription: string): Promise<void> {
    await Promise.all([this.removeTopic(topic), this.removeSubscription(subscription)]);
  }

  removeTopic(topic: string): Promise<void> {
    return this.#remove('deleteTopic', { topic }, topic);
  }

  removeSubscription(subscription: string): Promise<void> {
    return this.#remove('deleteSubscription', { subscription }, subscription);
  }

  async #find<Name extends 'getTopic' | 'getSubscription'>(
    name: Name,
    request: Calls[Name][0],
    what: string,
  ): Promise<Calls[Name][1] | undefined> {
    try {
      return await this.#link.call(name, request, CALL_MAX_MS);
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return undefined;
      throw backendFault(`looking up ${what}`, error);
    }
  }

  async #make<Name extends 'createTopic' | 'createSubscription'>(
    name: Name,
    request: Calls[Name][0],
    what: string,
  ): Promise<void> {
    try {
      await this.#link.call(name, request, CALL_MAX_MS);
    } catch (error) {
      if (statusOf(error) !== ALREADY_EXISTS) throw backendFault(`making ${what}`, error);
    }
  }

  async #remove<Name extends 'deleteTopic' | 'deleteSubscription'>(
    name: Name,
    request: Calls[Name][0],
    what: string,
  ): Promise<void> {
    try {
      await this.#link.call(name, request, CALL_MAX_MS);
    } catch (error) {
      if (statusOf(error) !== NOT_FOUND) throw backendFault(`removing ${what}`, error);
    }
  }
}
