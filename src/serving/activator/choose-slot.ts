import { isReady, type ReadySlot, type Slot } from './slot.ts';

/**
 * Which ready instance takes the next request, by the three policies of Knative's activator
 * (serving pkg/activator/net/lb_policy.go): without a bound the less busy of two drawn at random, up to three at a time
 * the first that has room, above that each in turn.
 */
export class Balancer {
  readonly #random: () => number;
  #next = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Undefined: all are busy, or none is ready. */
  choose(slots: readonly Slot[], containerConcurrency: number): ReadySlot | undefined {
    if (containerConcurrency === 0) return lessBusyOfTwo(slots, this.#random);
    const hasRoom = (slot: Slot): slot is ReadySlot => isReady(slot) && slot.inFlight < containerConcurrency;
    return containerConcurrency <= 3 ? slots.find(hasRoom) : this.#inTurn(slots, hasRoom);
  }

  #inTurn(slots: readonly Slot[], hasRoom: (slot: Slot) => slot is ReadySlot): ReadySlot | undefined {
    for (let i = 0; i < slots.length; i += 1) {
      const at = (this.#next + i) % slots.length;
      const slot = slots[at];
      if (slot === undefined || !hasRoom(slot)) continue;
      this.#next = at + 1;
      return slot;
    }
    return undefined;
  }
}

/** Of two that are not the same one; a tie is drawn too. */
function lessBusyOfTwo(slots: readonly Slot[], random: () => number): ReadySlot | undefined {
  const only = slots.length === 1 ? slots[0] : undefined; // the usual case, without a copy
  if (only !== undefined) return isReady(only) ? only : undefined;
  const ready = slots.every(isReady) ? slots : slots.filter(isReady);
  const below = (count: number): number => Math.floor(random() * count);
  const first = below(ready.length);
  const second = below(ready.length - 1);
  const [a, b] = [ready[first], ready[second < first ? second : second + 1]];
  if (a === undefined || b === undefined) return a;
  if (a.inFlight === b.inFlight) return random() < 0.5 ? a : b;
  return a.inFlight < b.inFlight ? a : b;
}
