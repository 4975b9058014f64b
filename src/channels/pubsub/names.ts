import { PlatformError } from '../../base/errors.ts';
import type { ChannelSpec } from '../backend.ts';

/** Full resource names of what a group has in the broker. */
export type GroupNames = {
  readonly subscription: string;
  /** A topic and a subscription of one name: what waits for its time, and what is in a later stage. */
  readonly retryTopic: string;
  readonly retry: string;
  /** Likewise, of an ordered group only: how far the events have come that hold their key. */
  readonly notesTopic: string;
  readonly notes: string;
};

const NAME_MAX = 255;
const NAME = /^[A-Za-z][A-Za-z0-9\-._~+%]{2,254}$/;
/** Room for what is appended to the name of a group. */
const SUFFIX_MAX = '.retry'.length;

/**
 * Names as knative-gcp has them: topic `cre-ch_<namespace>_<name>_<uid>`, subscription `cre-sub_<namespace>_<name>_<uid of
 * the subscription>` (pkg/reconciler/messaging/channel/resources/names.go). What stands beside them is named after them.
 */
export class Names {
  readonly #project: string;
  readonly #channel: ChannelSpec;
  readonly topic: string;
  readonly deadTopic: string;
  readonly dead: string;

  constructor(project: string, channel: ChannelSpec) {
    this.#project = project;
    this.#channel = channel;
    const { externalName, ownName, namespace, name, uid } = channel;
    const topic = externalName ?? ownName ?? truncated('cre-ch', namespace, name, uid);
    this.topic = this.#full('topics', topic);
    this.deadTopic = this.#full('topics', `${topic}.dead`);
    this.dead = this.#full('subscriptions', `${topic}.dead`);
  }

  of(group: string, sharedName: string | undefined): GroupNames {
    const { namespace, name } = this.#channel;
    const id = sharedName ?? truncated('cre-sub', namespace, name, group);
    return {
      subscription: this.#full('subscriptions', id),
      retryTopic: this.#full('topics', `${id}.retry`),
      retry: this.#full('subscriptions', `${id}.retry`),
      notesTopic: this.#full('topics', `${id}.notes`),
      notes: this.#full('subscriptions', `${id}.notes`),
    };
  }

  #full(kind: 'topics' | 'subscriptions', id: string): string {
    if (NAME.test(id) && !/^goog/i.test(id)) return `projects/${this.#project}/${kind}/${id}`;
    const rule =
      'a name has 3 to 255 letters, digits and -._~+%, starts with a letter, and does not start with goog';
    throw new PlatformError(
      'CHANNEL_SPEC_INVALID',
      `${JSON.stringify(id)} is no name for ${kind} of Pub/Sub: ${rule}`,
      { retryable: false },
    );
  }
}

/** The namespace and the names are cut, never the uid, which makes it one of its own (knative-gcp pkg/utils/naming). */
function truncated(prefix: string, namespace: string, name: string, uid: string): string {
  const room = NAME_MAX - SUFFIX_MAX - uid.length - 1;
  return `${`${prefix}_${namespace}_${name}`.slice(0, room)}_${uid}`;
}
