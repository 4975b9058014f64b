import { createHash } from 'node:crypto';

/** What was sent and what came, by id; the judge of every fault test. */
export class Journal {
  readonly #sent = new Map<string, { hash: string; isAcked: boolean }>();
  readonly #received = new Map<string, string[]>(); // hashes, one for each time

  sending(id: string, body: Uint8Array | string): void {
    this.#sent.set(id, { hash: hashOf(body), isAcked: false });
  }

  acked(id: string): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) sent.isAcked = true;
  }

  received(id: string, body: Uint8Array | string): void {
    const times = this.#received.get(id) ?? [];
    times.push(hashOf(body));
    this.#received.set(id, times);
  }

  get counts(): { sent: number; acked: number; received: number } {
    return {
      sent: this.#sent.size,
      acked: [...this.#sent.values()].filter(({ isAcked }) => isAcked).length,
      received: this.#received.size,
    };
  }

  missing(): string[] {
    return [...this.#sent]
      .filter(([id, { isAcked }]) => isAcked && !this.#received.has(id))
      .map(([id]) => id);
  }

  judge(): { lost: string[]; invented: string[]; altered: string[]; repeats: number } {
    const invented: string[] = [];
    const altered: string[] = [];
    let repeats = 0;
    for (const [id, hashes] of this.#received) {
      const sent = this.#sent.get(id);
      if (sent === undefined) invented.push(id);
      else if (hashes.some((hash) => hash !== sent.hash)) altered.push(id);
      repeats += hashes.length - 1;
    }
    return { lost: this.missing(), invented, altered, repeats };
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
