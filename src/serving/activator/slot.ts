import { Pool } from 'undici';
import type { Wake } from '../../telemetry/signals.ts';
import type { Instance } from '../runtime/runtime.ts';

/** One instance of a revision as the activator sees it. */
export type Slot = {
  readonly id: string;
  /** `suspect`: a connection to it failed; it gets nothing new until it is known whether it still listens. */
  state: 'starting' | 'ready' | 'suspect' | 'draining';
  /** Its probes fail: it stands, and gets nothing until they succeed again. */
  isUnready: boolean;
  inFlight: number;
  /** Those of them that carry another protocol (WebSocket) by now: they end when one of the two sides wants to. */
  upgraded: number;
  running: Running | undefined;
  idleSinceMs: number;
  /** Set while it drains: when it is killed at the latest, and how long after SIGTERM at the earliest. */
  drain: { readonly killAtMs: number; readonly leastMs: number } | undefined;
  stopping: Promise<void> | undefined;
};

export type Running = {
  readonly instance: Instance;
  /** Its connections; closed with it. */
  readonly client: Pick<Pool, 'dispatch' | 'close' | 'destroy'>;
  readonly readyAtMs: number;
};

export type ReadySlot = Slot & { running: Running };

/** Shorter than what servers commonly keep an idle connection for, so that none is used as it is being closed. */
const KEEP_ALIVE_MS = 4000;

export function startingSlot(id: string, nowMs: number): Slot {
  return {
    id,
    state: 'starting',
    isUnready: false,
    inFlight: 0,
    upgraded: 0,
    running: undefined,
    idleSinceMs: nowMs,
    drain: undefined,
    stopping: undefined,
  };
}

/** No timeouts of undici's: the gateway has those of the revision. */
export function runningAt(instance: Instance, nowMs: number): Running {
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0 };
  return { instance, client: new Pool(`http://127.0.0.1:${instance.port}`, options), readyAtMs: nowMs };
}

export function isReady(slot: Slot): slot is ReadySlot {
  return isUp(slot) && !slot.isUnready;
}

/** Whether it has been ready, and is not on its way out. */
export function isUp(slot: Slot): slot is ReadySlot {
  return slot.state === 'ready' && slot.running !== undefined;
}

/** The phases of a wake from zero, as whoever has waited since then has seen them. */
export function wakeOf({ running: { instance } }: ReadySlot, sinceMs: number): Wake {
  return {
    queuedMs: 0, // A2
    startedMs: Math.max(0, instance.startedMs - sinceMs),
    loadedMs: Math.max(0, (instance.loadedMs ?? instance.startedMs) - sinceMs),
    readyMs: Math.max(0, instance.readyMs - sinceMs),
    from: instance.isFromPool === true ? 'pool' : 'spawned',
    firstByteMs: 0, // the gateway sees it
  };
}
