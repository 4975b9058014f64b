import { createHash } from 'node:crypto';
import { PlatformError } from '../../base/errors.ts';
import type { ChannelSpec } from '../backend.ts';

/** Kafka's bound of a topic's name. */
const NAME_MAX = 249;
/** The longest thing that is put behind the name of a topic of our own: `.<subscription uid>.stages`. */
const SUFFIX_MAX = 44;
const KINDS = ['retry', 'stages', 'dead'] as const;
export type HelperKind = (typeof KINDS)[number];

/** What a group is called in the broker, and which part of its helper topics' names says so. */
export type GroupNames = { readonly group: string; readonly brokerName: string; readonly token: string };

export type HelperTopic = { readonly topic: string; readonly kind: HelperKind; readonly token: string };

/**
 * The names of what one channel has in Kafka: upstream's templates for topic and consumer group, and helper topics that
 * begin with the topic's name, so that one prefixed ACL covers them.
 *   `<topic>.<subscription uid>.retry | .stages | .dead`  of a group of our own
 *   `<topic>.<8 hex of the channel's uid>.<subscription uid>.…`  the same, beside an external topic
 *   `<topic>.shared.<group>.…`  of a group that is named, so that each platform comes to the same name
 */
export class ChannelNames {
  readonly topic: string;
  readonly #ownPrefix: string;
  readonly #groupPrefix: string;

  constructor({
    namespace,
    name,
    uid,
    externalName,
    ownName,
  }: Omit<ChannelSpec, 'claim' | 'spec' | 'groups' | 'key'>) {
    this.topic = externalName ?? ownName ?? `knative-messaging-kafka.${namespace}.${name}`;
    if (!/^[A-Za-z0-9._-]+$/.test(this.topic) || this.topic.length > NAME_MAX - SUFFIX_MAX - 9)
      throw new PlatformError(
        'CHANNEL_SPEC_INVALID',
        `${this.topic} cannot name a topic here: at most ${NAME_MAX - SUFFIX_MAX - 9} of A-Z, a-z, 0-9, dot, dash and underscore`,
        { retryable: false },
      );
    this.#ownPrefix = externalName === undefined ? '' : `${hash(uid).slice(0, 8)}.`;
    this.#groupPrefix = `kafka.${namespace}.${name}.`;
  }

  of(group: string, sharedName: string | undefined): GroupNames {
    if (sharedName === undefined)
      return { group, brokerName: this.#groupPrefix + group, token: this.#ownPrefix + group };
    const isFit =
      /^[A-Za-z0-9._-]+$/.test(sharedName) && this.topic.length + sharedName.length + 15 <= NAME_MAX;
    return {
      group,
      brokerName: sharedName,
      token: `shared.${isFit ? sharedName : hash(sharedName).slice(0, 16)}`,
    };
  }

  helper({ token }: GroupNames, kind: HelperKind): string {
    return `${this.topic}.${token}.${kind}`;
  }

  /** The group that upstream's template makes this name of; undefined when it is no such name. */
  groupOf(brokerName: string): string | undefined {
    const rest = brokerName.startsWith(this.#groupPrefix) ? brokerName.slice(this.#groupPrefix.length) : '';
    return rest === '' || rest.includes('.') ? undefined : rest;
  }

  /** Of all topics those that were made beside this channel's. */
  helpersAmong(topics: readonly string[]): HelperTopic[] {
    return topics.flatMap((topic) => {
      if (!topic.startsWith(`${this.topic}.`)) return [];
      const kind = KINDS.find((each) => topic.endsWith(`.${each}`));
      if (kind === undefined) return [];
      const token = topic.slice(this.topic.length + 1, -kind.length - 1);
      return this.isOwn(token) || token.startsWith('shared.') ? [{ topic, kind, token }] : [];
    });
  }

  /** Whether a helper topic with this token is this channel's alone. */
  isOwn(token: string): boolean {
    return token.startsWith(this.#ownPrefix) && !token.slice(this.#ownPrefix.length).includes('.');
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
