import type { Backlog } from '../channel.ts';
import type { Desk } from './desk.ts';
import type { Keeping, KeepingTools } from './keeping.ts';
import type { WaitLine } from './wait-line.ts';

/** Figures are at most this old. */
const FRESH_MS = 200;
/** An event is taken to have so many bytes until the first one was seen. */
const BYTES_ASSUMED = 1024;
/** How much the newest event counts in the average. */
const NEWEST_PART = 0.02;

type Counted = { readonly main: number; readonly retrying: number; readonly dead: number };

/**
 * What is owed to a group, as RabbitMQ tells: it counts the messages of a queue that nobody has in hand, and neither
 * their bytes nor their age. To these comes what is in hand here; what another platform has in hand is not seen. Bytes are
 * the number of events times their usual size, but for those in hand.
 */
export class Figures {
  readonly #tools: KeepingTools;
  readonly #keeping: Keeping;
  readonly #waitLine: WaitLine;
  #counted: Counted = { main: 0, retrying: 0, dead: 0 };
  #reading: Promise<void> | undefined;
  #readMs = 0;
  #average: number | undefined;
  #bytesSince = 0; // published less settled, since the last reading
  #bytesThen = 0;
  #emptyMs: number | undefined; // when nothing was owed, the last time we saw it
  isDeadFull = false;
  /** Dead letters that are in hand while they are being read. */
  deadInHand = 0;

  constructor(tools: KeepingTools, keeping: Keeping, waitLine: WaitLine) {
    this.#tools = tools;
    this.#keeping = keeping;
    this.#waitLine = waitLine;
  }

  published(bytes: number): void {
    this.#average = (this.#average ?? bytes) * (1 - NEWEST_PART) + bytes * NEWEST_PART;
    this.#bytesSince += bytes;
  }

  settled(bytes: number): void {
    this.#bytesSince -= bytes;
  }

  /** What is owed, as far as is known without asking. */
  get bytes(): number {
    return Math.max(0, this.#bytesThen + this.#bytesSince);
  }

  get isOld(): boolean {
    return this.#tools.clock.nowMs() - this.#readMs > 1000;
  }

  async read(group: string, desk: Desk | undefined): Promise<Backlog> {
    await this.refresh(desk);
    const { main, dead } = this.#counted;
    const retrying = this.#counted.retrying + this.#waitLine.size;
    const inHand = desk?.size ?? 0;
    const events = main + retrying + inHand;
    return {
      group,
      events,
      bytes: this.#bytesOf(main + retrying) + (desk?.bytes ?? 0),
      inFlight: desk?.offers.inFlight ?? 0,
      retrying: retrying + (desk?.offers.waiting ?? 0),
      dead: dead + this.deadInHand,
      isDeadFull: this.isDeadFull,
      oldestMs: events === 0 ? undefined : this.#oldestMs(desk),
    };
  }

  async refresh(desk: Desk | undefined): Promise<void> {
    if (this.#tools.clock.nowMs() - this.#readMs >= FRESH_MS) this.#reading ??= this.#ask(desk);
    await this.#reading;
  }

  async #ask(desk: Desk | undefined): Promise<void> {
    const { topology, names, clock } = this.#tools;
    const readyIn = async (queue: string): Promise<number> => (await topology.count(queue))?.ready ?? 0;
    try {
      let retrying = 0;
      for (const queue of this.#keeping.waits) retrying += await readyIn(queue);
      const dead = await readyIn(names.dead);
      retrying += await readyIn(names.retry);
      const main = await readyIn(names.main);
      this.#counted = { main, retrying, dead };
      this.#readMs = clock.nowMs();
      const waiting = retrying + this.#waitLine.size;
      this.#bytesThen = this.#bytesOf(main + waiting) + (desk?.bytes ?? 0);
      this.#bytesSince = 0;
      if (main + waiting + (desk?.size ?? 0) === 0) this.#emptyMs = this.#readMs;
      else this.#emptyMs ??= this.#readMs;
    } finally {
      this.#reading = undefined;
    }
  }

  #bytesOf(events: number): number {
    return events * (this.#average ?? BYTES_ASSUMED);
  }

  /** Of what is in hand, exactly; else no later than when something was owed for the first time. */
  #oldestMs(desk: Desk | undefined): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { owed } of desk?.slots ?? []) oldest = Math.min(oldest, acceptedMsOf(owed.seq));
    if (oldest !== Number.POSITIVE_INFINITY) return Math.min(oldest, this.#tools.clock.nowMs());
    return this.#emptyMs ?? this.#tools.clock.nowMs();
  }
}

/** So many numbers a millisecond. */
const SEQ_STEP = 1024;

/** When the event with this number was accepted. */
function acceptedMsOf(seq: number): number {
  return Math.floor(seq / SEQ_STEP);
}

/** Numbers that grow, are not given twice by one platform, and hardly by two; and that tell when they were given. */
export function sequence(nowMs: () => number, random: () => number): () => number {
  let last = 0;
  return () => (last = Math.max(last + 1, nowMs() * SEQ_STEP + Math.floor(random() * 16)));
}
