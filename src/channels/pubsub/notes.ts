import { setTimeout as pause } from 'node:timers/promises';
import type { Link } from '../../clients/pubsub/link.ts';
import { takenOf } from '../../clients/pubsub/taken-message.ts';
import type { Stage } from '../channel.ts';
import { packNote, unpackNote, type Note } from './parcel.ts';
import type { Publisher } from './publisher.ts';

const CALL_MAX_MS = 4000;
const MESSAGES_MAX = 1000;
/** Read at a look, at most. A note is read for each event that holds its key in back-off, anywhere. */
const NOTES_MAX = 10_000;
/** Two in a row: another who looks hides them for a moment. */
const EMPTY_ANSWERS = 2;
/** Events that came to their end here, whose notes may still be there. */
const FINISHED_MAX = 10_000;
/** Between two looks that only clear up. */
const SWEEP_PAUSE_MS = 200;
const RANK: Record<Stage['kind'], number> = { deliver: 0, reply: 1, deadLetter: 2 };

/**
 * How far the events of an ordered group have come. Such an event is not moved when it is tried again: its message stays
 * leased, so that the broker holds its key, and what is to be known of it stands in a note beside it. Notes are read without
 * being acknowledged, by whoever takes over, and acknowledged once their event is done or a later one says more.
 */
export class Notes {
  readonly #link: Link;
  readonly #publisher: Publisher;
  readonly #subscription: string;
  readonly #lost: AbortSignal;
  readonly #own = new Map<string, Note>();
  readonly #finished = new Set<string>();
  #seen = new Map<string, Note>();
  #looking: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  #isSweepDue = false;

  constructor(link: Link, publisher: Publisher, subscription: string, lost: AbortSignal) {
    this.#link = link;
    this.#publisher = publisher;
    this.#subscription = subscription;
    this.#lost = lost;
  }

  async keep(note: Note): Promise<void> {
    await this.#publisher.publish(packNote(note));
    this.#own.set(note.of, note);
  }

  of(messageId: string): Note | undefined {
    const [own, seen] = [this.#own.get(messageId), this.#seen.get(messageId)];
    return own !== undefined && (seen === undefined || isLater(own, seen)) ? own : seen;
  }

  /** The event is done: its notes go, in the background. */
  finish(messageId: string): void {
    const isNoted = this.#own.delete(messageId) || this.#seen.has(messageId);
    if (!isNoted) return;
    this.#seen.delete(messageId);
    this.#finished.add(messageId);
    if (this.#finished.size > FINISHED_MAX) this.#finished.delete(this.#finished.values().next().value ?? '');
    this.#isSweepDue = true;
    this.#sweeping ??= this.#sweep().finally(() => (this.#sweeping = undefined));
  }

  /** Reads what is there. A look that has begun before is not waited for: it may have missed what is asked for. */
  async look(): Promise<void> {
    await this.#looking;
    return (this.#looking ??= this.#read().finally(() => (this.#looking = undefined)));
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#sweeping, this.#looking]);
  }

  async #sweep(): Promise<void> {
    while (this.#isSweepDue && !this.#lost.aborted) {
      this.#isSweepDue = false;
      await this.look();
      if (this.#isSweepDue) await pause(SWEEP_PAUSE_MS);
    }
  }

  async #read(): Promise<void> {
    const found = new Map<string, { readonly note: Note; readonly id: string }>();
    const done: string[] = [];
    let count = 0;
    for (let empty = 0; empty < EMPTY_ANSWERS && count < NOTES_MAX && !this.#lost.aborted;) {
      const messages = await this.#pull();
      for (const { ackId, message } of messages) {
        const note = unpackNote(takenOf(message));
        const id = ackId ?? '';
        const known = note && found.get(note.of);
        if (note === undefined || this.#finished.has(note.of)) done.push(id);
        else if (known === undefined) found.set(note.of, { note, id });
        else {
          const [later, former] = isLater(note, known.note) ? [{ note, id }, known] : [known, { note, id }];
          found.set(note.of, later);
          done.push(former.id);
        }
      }
      count += messages.length;
      empty = messages.length === 0 ? empty + 1 : 0;
    }
    const left = [...found.values()].map(({ id }) => id);
    this.#seen = new Map([...found].map(([of, { note }]) => [of, note]));
    await this.#release(left);
    await this.#acknowledge(done);
  }

  async #pull() {
    const request = { subscription: this.#subscription, maxMessages: MESSAGES_MAX, returnImmediately: true };
    try {
      return (await this.#link.call('pull', request, CALL_MAX_MS)).receivedMessages ?? [];
    } catch {
      return []; // attempts then count from what is known here; the order is kept all the same
    }
  }

  async #release(ids: readonly string[]): Promise<void> {
    await inParts(ids, (ackIds) => {
      const request = { subscription: this.#subscription, ackIds, ackDeadlineSeconds: 0 };
      return this.#link.call('modifyAckDeadline', request, CALL_MAX_MS);
    });
  }

  async #acknowledge(ids: readonly string[]): Promise<void> {
    await inParts(ids, (ackIds) =>
      this.#link.call('acknowledge', { subscription: this.#subscription, ackIds }, CALL_MAX_MS),
    );
  }
}

function isLater(a: Note, b: Note): boolean {
  const ranks = RANK[a.stage.kind] - RANK[b.stage.kind];
  return ranks === 0 ? a.attempt > b.attempt : ranks > 0;
}

async function inParts(ids: readonly string[], call: (part: string[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < ids.length; at += MESSAGES_MAX)
    await call(ids.slice(at, at + MESSAGES_MAX)).catch(() => undefined); // their leases run out
}
