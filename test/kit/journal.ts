import { createHash } from 'node:crypto';

export type Judgement = {
  /** Accepted, and never received. */
  readonly lost: readonly string[];
  /** Received, and never sent. */
  readonly invented: readonly string[];
  /** Received with other bytes than were sent. */
  readonly altered: readonly string[];
};

/**
 * What was sent, what of it was accepted, and what came, how often and with which bytes; the judge of every fault test.
 * Both ends write into it in one process, so that nothing of it is lost when the platform between them is killed.
 */
export class Journal {
  readonly #sent = new Map<string, { readonly hash: string; isAcked: boolean }>();
  readonly #received = new Map<string, string[]>(); // hashes, one for each time
  #acked = 0;
  #repeats = 0;

  sending(id: string, body: Uint8Array | string): void {
    this.#sent.set(id, { hash: hashOf(body), isAcked: false });
  }

  acked(id: string): void {
    const sent = this.#sent.get(id);
    if (sent === undefined || sent.isAcked) return;
    sent.isAcked = true;
    this.#acked += 1;
  }

  /** Returns how many times this event has come by now. */
  received(id: string, body: Uint8Array | string): number {
    const times = this.#received.get(id) ?? [];
    if (times.length === 0) this.#received.set(id, times);
    else this.#repeats += 1;
    return times.push(hashOf(body));
  }

  get counts(): {
    readonly sent: number;
    readonly acked: number;
    readonly received: number;
    /** Deliveries beyond the first of an event. */
    readonly repeats: number;
  } {
    return {
      sent: this.#sent.size,
      acked: this.#acked,
      received: this.#received.size,
      repeats: this.#repeats,
    };
  }

  /** Accepted, and not received yet. */
  missing(): string[] {
    return [...this.#sent]
      .filter(([id, { isAcked }]) => isAcked && !this.#received.has(id))
      .map(([id]) => id);
  }

  judge(): Judgement {
    const received = [...this.#received];
    const isAltered = ([id, hashes]: readonly [string, readonly string[]]): boolean => {
      const sent = this.#sent.get(id);
      return sent !== undefined && hashes.some((hash) => hash !== sent.hash);
    };
    return {
      lost: this.missing(),
      invented: received.filter(([id]) => !this.#sent.has(id)).map(([id]) => id),
      altered: received.filter(isAltered).map(([id]) => id),
    };
  }
}

const hashOf = (body: Uint8Array | string): string => createHash('sha256').update(body).digest('hex');

/** A small generator with a seed that is printed, so that a failing run can be run again (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: MILLRACE_SEED, or a new one; printed, so that a failing run can be run again. */
export function seedOfThisRun(): number {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
  process.stdout.write(`MILLRACE_SEED=${seed}\n`);
  return seed;
}
