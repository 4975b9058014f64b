import { PlatformError } from '../../base/errors.ts';
import type { Calls } from '../../clients/pubsub/client.ts';
import { NOT_FOUND, statusOf, wordsOf } from '../../clients/pubsub/faults.ts';
import { Resources, TOPIC_GONE } from '../../clients/pubsub/resources.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import type { SourceTools } from '../source.ts';
import { readNotes, writeNotes, type Notes } from './notes.ts';
import { idOf, type PubSubPlan } from './plan.ts';

type Subscription = Calls['getSubscription'][1];

/** How it stands with the subscription; `isReadable`: it is there, and may still owe something. */
export type Kept =
  | { readonly kind: 'kept' }
  | { readonly kind: 'no-topic'; readonly message: string; readonly isReadable: boolean };

/**
 * Keeps the subscription of one source.
 *   K1  it is noted before it is made, and is there as it was noted, so that whatever was made can be removed.
 *   K2  one that has vanished is made anew, and that is told as a loss; so is one whose topic was made anew.
 *   K3  a topic is never made: nobody would publish to it. While it is away, what its subscription owes is read.
 *   K4  a subscription of a former plan, in another project, is removed.
 */
export class Keeper {
  readonly #plan: PubSubPlan;
  readonly #tools: Pick<SourceTools, 'bookmark' | 'warn'>;
  #notes: Notes | undefined;
  #isAdjusted = false;

  constructor(plan: PubSubPlan, tools: Pick<SourceTools, 'bookmark' | 'warn'>) {
    this.#plan = plan;
    this.#tools = tools;
  }

  /** Rejects with what Pub/Sub says, or because nothing can be noted. */
  async keep(link: Link): Promise<Kept> {
    const resources = new Resources(link);
    const { subscription, topic } = this.#plan;
    this.#notes ??= await readNotes(this.#tools.bookmark, subscription);
    if (this.#notes !== undefined && this.#notes.subscription !== subscription)
      await this.#leave(resources, this.#notes.subscription); // K4
    const found = await resources.subscription(subscription);
    if (found === undefined) return this.#make(resources);
    if (found.topic === topic) {
      await this.#note(true);
      await this.#adjust(resources, found);
      return { kind: 'kept' };
    }
    if (found.topic !== TOPIC_GONE) throw this.#fault(`${subscription} is of another topic, ${found.topic}`);
    if ((await resources.topic(topic)) === undefined)
      return this.#noTopic('its subscription is there, and what it still owes is delivered', true); // K3
    await resources.removeSubscription(subscription);
    return this.#make(resources);
  }

  async #make(resources: Resources): Promise<Kept> {
    const { subscription, topic } = this.#plan;
    const wasMade = this.#notes?.subscription === subscription && this.#notes.isMade;
    if (!wasMade) await this.#note(false); // K1
    try {
      await resources.subscribe({ ...this.#wanted(), enableMessageOrdering: true, expirationPolicy: {} });
    } catch (error) {
      const cause = error instanceof PlatformError ? error.cause : undefined;
      if (statusOf(cause) !== NOT_FOUND) throw error;
      return this.#noTopic(`Pub/Sub says: ${wordsOf(cause)}`, false);
    }
    await this.#note(true);
    this.#isAdjusted = true;
    if (wasMade) {
      const lost = `${subscription} was gone, and has been made anew for ${topic}; what it owed, and what was published meanwhile, is lost`;
      this.#tools.warn('SubscriptionVanished', lost); // K2
    }
    return { kind: 'kept' };
  }

  /** Once: what the object says now of a subscription that was made before. A refusal is told, and it is read as it is. */
  async #adjust(resources: Resources, found: Subscription): Promise<void> {
    if (this.#isAdjusted) return;
    this.#isAdjusted = true;
    const { ackDeadlineS, retentionS, isRetained, subscription } = this.#plan;
    const paths = [
      ...(found.ackDeadlineSeconds === Math.max(ackDeadlineS, 10) ? [] : ['ack_deadline_seconds']),
      ...(Number(found.messageRetentionDuration?.seconds ?? 0) === retentionS
        ? []
        : ['message_retention_duration']),
      ...((found.retainAckedMessages ?? false) === isRetained ? [] : ['retain_acked_messages']),
    ];
    if (paths.length === 0) return;
    await resources.changeSubscription(this.#wanted(), paths).catch((error: unknown) => {
      const what = `${subscription} keeps the ${paths.join(', ')} that it was made with`;
      this.#tools.warn('SubscriptionNotChanged', `${what}: ${wordsOf(error)}`);
    });
  }

  #wanted(): Calls['createSubscription'][0] & { readonly name: string } {
    const { subscription, topic, ackDeadlineS, retentionS, isRetained } = this.#plan;
    return {
      name: subscription,
      topic,
      ackDeadlineSeconds: ackDeadlineS,
      messageRetentionDuration: { seconds: retentionS },
      retainAckedMessages: isRetained,
    };
  }

  async #leave(resources: Resources, subscription: string): Promise<void> {
    await resources.removeSubscription(subscription).catch((error: unknown) => {
      this.#tools.warn(
        'SubscriptionLeft',
        `${subscription} is not read any more, and could not be removed: ${wordsOf(error)}`,
      );
    });
  }

  async #note(isMade: boolean): Promise<void> {
    const { subscription } = this.#plan;
    if (this.#notes?.subscription === subscription && this.#notes.isMade === isMade) return;
    await writeNotes(this.#tools.bookmark, { subscription, isMade });
    this.#notes = { subscription, isMade };
  }

  #noTopic(why: string, isReadable: boolean): Kept {
    const { topic, settings } = this.#plan;
    const id = idOf(topic);
    const way = `gcloud pubsub topics create ${id} --project ${settings.project}`;
    const message = `Topic ${JSON.stringify(id)} does not exist in project ${settings.project} (${why}); the source goes on once it is made: ${way}`;
    return { kind: 'no-topic', message, isReadable };
  }

  #fault(message: string): PlatformError {
    return new PlatformError('BACKEND_REFUSED', message, { retryable: true });
  }
}
