import type { Client } from 'undici';
import type { Instance } from '../runtime/runtime.ts';

/** One instance of a revision as the activator sees it. */
export type Slot = {
  readonly id: string;
  /** `suspect`: it failed a request; it gets no more, and is ended unless it ends by itself. */
  state: 'starting' | 'ready' | 'suspect' | 'draining';
  inFlight: number;
  instance: Instance | undefined;
  /** Its connections; closed with it. */
  client: Pick<Client, 'dispatch' | 'close' | 'destroy'> | undefined;
  idleSinceMs: number;
};

/** Which ready instance takes the next request (serving pkg/activator/net/lb_policy.go); undefined: all are busy. */
export function chooseSlot(
  slots: readonly Slot[],
  containerConcurrency: number,
  random: () => number,
  turn: number,
): Slot | undefined {
  if (containerConcurrency === 0) return betterOfTwo(slots.filter(isReady), random);
  const hasRoom = (slot: Slot): boolean => isReady(slot) && slot.inFlight < containerConcurrency;
  if (containerConcurrency <= 3) return slots.find(hasRoom);
  for (let i = 0; i < slots.length; i += 1) {
    const slot = slots[(turn + i) % slots.length];
    if (slot !== undefined && hasRoom(slot)) return slot;
  }
  return undefined;
}

function betterOfTwo(ready: readonly Slot[], random: () => number): Slot | undefined {
  if (ready.length <= 1) return ready[0];
  const [a, b] = [ready[Math.floor(random() * ready.length)], ready[Math.floor(random() * ready.length)]];
  return a !== undefined && b !== undefined && b.inFlight < a.inFlight ? b : a;
}

const isReady = ({ state }: Slot): boolean => state === 'ready';
