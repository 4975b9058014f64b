import { cpuTicksOf, hasSockets, isListenedOn } from './ports.ts';

/** A program that has used no CPU for so long waits for something; where its port is seen to be another's, the first. */
const IDLE_FOR_MS = { taken: 1500, free: 5000 };

/**
 * Tells of a program that has missed its port, since another had it, and that neither ended nor said anything: Go programs
 * that leave the error of ListenAndServe unread just wait. It has no socket, and does nothing.
 */
export class IdleAtPort {
  readonly #group: number;
  readonly #port: number;
  #wasTaken: boolean;
  #ticks = -1;
  #idleSinceMs = 0;

  constructor(group: number, port: number) {
    this.#group = group;
    this.#port = port;
    this.#wasTaken = isListenedOn(port);
  }

  /** Asked now and then, while the program is not ready. */
  isSo(waitedMs: number): boolean {
    this.#wasTaken ||= isListenedOn(this.#port);
    const ticks = cpuTicksOf(this.#group);
    if (ticks !== this.#ticks || hasSockets(this.#group)) this.#idleSinceMs = waitedMs;
    this.#ticks = ticks;
    const idleForMs = this.#wasTaken ? IDLE_FOR_MS.taken : IDLE_FOR_MS.free;
    return waitedMs - this.#idleSinceMs >= idleForMs;
  }
}
