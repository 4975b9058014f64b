import { setTimeout as pause } from 'node:timers/promises';
import { isUnreached, lostFault } from '../../clients/pubsub/faults.ts';
import type { Link } from '../../clients/pubsub/link.ts';
import { takenOf } from '../../clients/pubsub/taken-message.ts';
import type { TakenMessage } from '../../events/pubsub-binding.ts';
import type { DeadLetter, DeadLetterStore, Failure } from '../channel.ts';
import { failureAttributes, failureIn, OURS, packParcel, unpackParcel, type Parcel } from './parcel.ts';
import type { Publisher } from './publisher.ts';

export type Burial = {
  /** Local name and subscription of the group that gave the event up. */
  readonly group: string;
  readonly subscription: string;
  readonly attempts: number;
  readonly diedMs: number;
  readonly failure: Failure;
};

export type DeadLettersOptions = {
  readonly link: Link;
  readonly publisher: Publisher;
  readonly subscription: string;
  readonly eventOf: (message: TakenMessage, subscription: string) => DeadLetter['event'];
  readonly seqOf: (messageId: string) => number;
  /** What the subscription's group is called here, if it is one of ours. */
  readonly groupOf: (subscription: string) => string | undefined;
};

/** Looked at, at most, to find the newest. */
const LETTERS_MAX = 10_000;
const PULL_MAX_MS = 5000;
const MESSAGES_MAX = 1000;
/** Another who looks hides the letters for a moment: it is looked again until that has brought nothing new so often in a row. */
const QUIET_ROUNDS = 3;
const ROUNDS_MAX = 12;
/** Before it is said that there are none. */
const EMPTY_ROUNDS = 6;
const ROUND_PAUSE_MS = 30;
const IDS_MAX = 1000;

/**
 * The dead letters of a channel: a topic with one subscription that nobody acknowledges. Each is the message as it came,
 * with what happened as attributes. Whoever looks leases them all for a moment and gives them back.
 */
export class DeadLetters implements DeadLetterStore {
  readonly #options: DeadLettersOptions;
  #looking: Promise<unknown> = Promise.resolve();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Resolves once it is kept. */
  async bury(parcel: Parcel, { group, subscription, attempts, diedMs, failure }: Burial): Promise<void> {
    const packed = packParcel({ ...parcel, stage: { kind: 'deliver' } });
    const attributes = {
      ...packed.attributes,
      ...failureAttributes(failure),
      [`${OURS}group`]: group,
      [`${OURS}subscription`]: subscription,
      [`${OURS}attempts`]: String(attempts),
      [`${OURS}died`]: String(diedMs),
    };
    await this.#options.publisher.publish({ attributes, data: packed.data });
  }

  /** One look after the other, so that no two of one process hide letters from each other. */
  deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    const look = this.#looking.then(() => this.#look(query));
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async #look({
    limit,
    group,
    eventId,
  }: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    const newest = new Map<string, DeadLetter>(); // by message, at most twice the limit
    const known = new Set<string>();
    for (let rounds = 0, quiet = 0; rounds < ROUNDS_MAX; rounds += 1) {
      if (quiet >= (known.size === 0 ? EMPTY_ROUNDS : QUIET_ROUNDS)) break;
      if (rounds > 0) await pause(ROUND_PAUSE_MS * (1 + 2 * Math.random()));
      const before = known.size;
      await this.#round((id, letter) => {
        if (known.has(id)) return;
        known.add(id);
        const isAsked =
          (group ?? letter.group) === letter.group &&
          (eventId ?? letter.event.attributes.get('id')) === letter.event.attributes.get('id');
        if (isAsked) newest.set(id, letter);
        if (newest.size > 2 * limit) keepNewest(newest, limit);
      });
      quiet = known.size === before ? quiet + 1 : 0;
    }
    keepNewest(newest, limit);
    return [...newest.values()];
  }

  /** Leases all that can be had, and gives it back. */
  async #round(found: (id: string, letter: DeadLetter) => void): Promise<void> {
    const ids: string[] = [];
    try {
      for (let count = 1; count > 0 && ids.length < LETTERS_MAX;) {
        const { receivedMessages } = await this.#pull();
        count = receivedMessages?.length ?? 0;
        for (const { ackId, message } of receivedMessages ?? []) {
          ids.push(ackId ?? '');
          const letter = this.#read(takenOf(message));
          if (letter !== undefined) found(message?.messageId ?? '', letter);
        }
      }
    } finally {
      await this.#giveBack(ids);
    }
  }

  #pull() {
    const { link, subscription } = this.#options;
    const request = { subscription, maxMessages: MESSAGES_MAX, returnImmediately: true };
    return link.call('pull', request, PULL_MAX_MS).catch((error: unknown) => {
      throw lostFault('looking at the dead letters', error);
    });
  }

  async #giveBack(ids: readonly string[]): Promise<void> {
    const { link, subscription } = this.#options;
    for (let at = 0; at < ids.length; at += IDS_MAX) {
      const request = { subscription, ackIds: ids.slice(at, at + IDS_MAX), ackDeadlineSeconds: 0 };
      await link.call('modifyAckDeadline', request, PULL_MAX_MS).catch((error: unknown) => {
        if (!isUnreached(error)) throw lostFault('giving back the dead letters', error); // else their leases run out
      });
    }
  }

  #read(message: TakenMessage): DeadLetter | undefined {
    const parcel = unpackParcel(message);
    if (parcel === undefined) return undefined; // somebody else's
    const { attributes } = message;
    const subscription = attributes[`${OURS}subscription`] ?? '';
    return {
      seq: this.#options.seqOf(parcel.original.messageId),
      group: this.#options.groupOf(subscription) ?? attributes[`${OURS}group`] ?? '',
      event: this.#options.eventOf(parcel.original, subscription),
      failure: failureIn(attributes),
      attempts: Number(attributes[`${OURS}attempts`]),
      diedMs: Number(attributes[`${OURS}died`]),
    };
  }
}

function keepNewest(letters: Map<string, DeadLetter>, limit: number): void {
  const sorted = [...letters]
    .toSorted(([, a], [, b]) => b.diedMs - a.diedMs || b.seq - a.seq)
    .slice(0, limit);
  letters.clear();
  for (const [id, letter] of sorted) letters.set(id, letter);
}
