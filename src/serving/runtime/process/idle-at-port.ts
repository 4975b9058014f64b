import { cpuTicksOf, isListenedOn } from './ports.ts';

/** A program that has used no CPU for so long waits for something. */
const IDLE_FOR_MS = 1500;

/**
 * Tells of a program that wanted a port which another has, and neither ended nor said anything: Go programs that leave the
 * error of ListenAndServe unread just wait. It listens nowhere, does nothing, and the port is or was taken.
 */
export class IdleAtPort {
  readonly #group: number;
  readonly #port: number;
  #wasTaken = false;
  #ticks = -1;
  #idleSinceMs = 0;

  constructor(group: number, port: number) {
    this.#group = group;
    this.#port = port;
  }

  /** Asked now and then, while the program listens nowhere. */
  isSo(waitedMs: number): boolean {
    this.#wasTaken ||= isListenedOn(this.#port);
    const ticks = cpuTicksOf(this.#group);
    if (ticks !== this.#ticks) this.#idleSinceMs = waitedMs;
    this.#ticks = ticks;
    return this.#wasTaken && waitedMs - this.#idleSinceMs >= IDLE_FOR_MS;
  }
}
