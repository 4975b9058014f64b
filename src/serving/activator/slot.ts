import { connect } from 'node:net';
import { Pool } from 'undici';
import type { Instance } from '../runtime/runtime.ts';

/** One instance of a revision as the activator sees it. */
export type Slot = {
  readonly id: string;
  /** `suspect`: a connection to it failed; it gets nothing new until it is known whether it still listens. */
  state: 'starting' | 'ready' | 'suspect' | 'draining';
  inFlight: number;
  running: Running | undefined;
  idleSinceMs: number;
  stopping: Promise<void> | undefined;
};

export type Running = {
  readonly instance: Instance;
  /** Its connections; closed with it. */
  readonly client: Pick<Pool, 'dispatch' | 'destroy'>;
  readonly readyAtMs: number;
};

export type ReadySlot = Slot & { running: Running };

/** Shorter than what servers commonly keep an idle connection for, so that none is used as it is being closed. */
const KEEP_ALIVE_MS = 4000;

export function startingSlot(id: string, nowMs: number): Slot {
  return {
    id,
    state: 'starting',
    inFlight: 0,
    running: undefined,
    idleSinceMs: nowMs,
    stopping: undefined,
  };
}

/** No timeouts of undici's: the gateway has those of the revision. */
export function runningAt(instance: Instance, nowMs: number): Running {
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0 };
  return { instance, client: new Pool(`http://127.0.0.1:${instance.port}`, options), readyAtMs: nowMs };
}

/** Which ready instance takes the next request (serving pkg/activator/net/lb_policy.go); undefined: all are busy. */
export function chooseSlot(
  slots: readonly Slot[],
  containerConcurrency: number,
  random: () => number,
  turn: number,
): ReadySlot | undefined {
  if (containerConcurrency === 0) return betterOfTwo(slots, random);
  const hasRoom = (slot: Slot): slot is ReadySlot => isReady(slot) && slot.inFlight < containerConcurrency;
  if (containerConcurrency <= 3) return slots.find(hasRoom);
  for (let i = 0; i < slots.length; i += 1) {
    const slot = slots[(turn + i) % slots.length];
    if (slot !== undefined && hasRoom(slot)) return slot;
  }
  return undefined;
}

function betterOfTwo(slots: readonly Slot[], random: () => number): ReadySlot | undefined {
  const only = slots.length === 1 ? slots[0] : undefined; // the usual case, without a copy
  if (only !== undefined) return isReady(only) ? only : undefined;
  const ready = slots.filter(isReady);
  const [a, b] = [ready[Math.floor(random() * ready.length)], ready[Math.floor(random() * ready.length)]];
  return a !== undefined && b !== undefined && b.inFlight < a.inFlight ? b : a;
}

export function isReady(slot: Slot): slot is ReadySlot {
  return slot.state === 'ready' && slot.running !== undefined;
}

/** Whether anything still accepts connections at an instance's port, within a second. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
