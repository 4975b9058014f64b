import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type {
  Backlog,
  Channel,
  Consumer,
  DeadLetter,
  DeadLetterStore,
  Failure,
  GroupOptions,
  Stage,
  Verdict,
} from '../channel.ts';

export type MemoryOptions = {
  readonly clock: Clock;
  /** Events and bytes owed at most, over all groups; past either publish() refuses. */
  readonly owedMax: number;
  readonly owedBytesMax: number;
  readonly deadLettersMax: number;
  readonly graceMs: number;
};

type Owed = {
  readonly seq: number;
  readonly event: CloudEvent;
  readonly bytes: number;
  readonly acceptedMs: number;
  readonly lane: string;
  stage: Stage;
  attempts: number;
  dueMs: number;
  state: 'waiting' | 'inFlight' | 'retrying';
};

type Group = {
  readonly name: string;
  options: GroupOptions;
  consumer: Consumer;
  readonly owed: Map<number, Owed>; // in the order of the channel
  inFlight: number;
};

/**
 * Keeps events in this process: fast, and gone with it, as upstream's InMemoryChannel. 202 means accepted, not durable,
 * and a new group begins with the next event whatever start it asks for. All other promises of Channel hold.
 *   M1  at most `owedMax` events and `owedBytesMax` bytes are owed at a time; publish() refuses what would go past that.
 */
export class MemoryChannel implements Channel, DeadLetterStore {
  readonly #options: MemoryOptions;
  readonly #lost = new AbortController();
  readonly #abort = new AbortController();
  readonly #closing = new AbortController();
  readonly #groups = new Map<string, Group>();
  #dead: DeadLetter[] = [];
  #lastSeq = 0;
  #onIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async publish(event: CloudEvent): Promise<void> {
    if (this.#closing.signal.aborted) throw refused('CHANNEL_CLOSED', 'the channel is closed');
    const bytes = event.body.byteLength;
    let [owed, owedBytes] = [0, 0];
    for (const group of this.#groups.values()) {
      owed += group.owed.size + 1;
      let groupBytes = bytes;
      for (const each of group.owed.values()) groupBytes += each.bytes;
      owedBytes += groupBytes;
      const { backlogBytesMax } = group.options;
      if (backlogBytesMax !== undefined && groupBytes > backlogBytesMax) {
        throw refused('CHANNEL_FULL', `subscription ${group.name} owes ${groupBytes - bytes} bytes`);
      }
    }
    if (owed > this.#options.owedMax || owedBytes > this.#options.owedBytesMax) {
      throw refused('CHANNEL_FULL', `${owed} events are owed already`); // M1
    }
    this.#keep(event, bytes);
  }

  async consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    const known = this.#groups.get(name);
    if (known === undefined)
      this.#groups.set(name, { name, options, consumer, owed: new Map(), inFlight: 0 });
    else Object.assign(known, { options, consumer });
    if (known !== undefined) this.#pump(known);
  }

  async forget(name: string): Promise<number> {
    const known = this.#groups.get(name);
    this.#groups.delete(name);
    return known?.owed.size ?? 0;
  }

  async backlog(): Promise<readonly Backlog[]> {
    return [...this.#groups.values()].map(({ name, owed, inFlight }) => {
      const all = [...owed.values()];
      return {
        group: name,
        events: all.length,
        bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
        inFlight,
        retrying: all.filter(({ attempts, state }) => attempts > 0 && state !== 'inFlight').length,
        dead: this.#dead.filter(({ group }) => group === name).length,
        oldestMs: all[0]?.acceptedMs,
      };
    });
  }

  async deadLetters({
    limit,
    group,
    eventId,
  }: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    return this.#dead
      .filter((each) => group === undefined || each.group === group)
      .filter(({ event }) => eventId === undefined || event.attributes.get('id') === eventId)
      .toReversed()
      .slice(0, limit);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#drain());
  }

  async #drain(): Promise<void> {
    this.#closing.abort();
    if (this.#inFlight() === 0) return;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const done = new AbortController();
    const { clock, graceMs } = this.#options;
    void clock.until(clock.nowMs() + graceMs, done.signal).then(() => this.#abort.abort());
    await idle;
    done.abort();
  }

  #keep(event: CloudEvent, bytes: number): void {
    const seq = (this.#lastSeq += 1);
    const acceptedMs = this.#options.clock.nowMs();
    for (const group of this.#groups.values()) {
      const lane = group.options.isOrdered ? (event.attributes.get('partitionkey') ?? '') : String(seq);
      const base = { seq, event, bytes, acceptedMs, lane };
      group.owed.set(seq, { ...base, stage: { kind: 'deliver' }, attempts: 0, dueMs: 0, state: 'waiting' });
      this.#pump(group);
    }
  }

  #pump(group: Group): void {
    if (this.#closing.signal.aborted) return;
    const busy = new Set<string>();
    for (const owed of group.owed.values()) {
      if (group.inFlight >= group.options.inFlightMax) return;
      const isFree = owed.state === 'waiting' && !busy.has(owed.lane);
      busy.add(owed.lane); // in order: whatever comes later in this lane waits for this one
      if (isFree) this.#offer(group, owed);
    }
  }

  #offer(group: Group, owed: Owed): void {
    owed.state = 'inFlight';
    group.inFlight += 1;
    const { event, stage, seq } = owed;
    void group
      .consumer({ event, attempt: owed.attempts + 1, stage, seq }, this.#abort.signal)
      .then((verdict) => {
        group.inFlight -= 1;
        this.#conclude(group, owed, verdict);
        if (this.#inFlight() === 0) this.#onIdle?.();
        this.#pump(group);
      });
  }

  #conclude(group: Group, owed: Owed, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'settled':
        group.owed.delete(owed.seq);
        return;
      case 'dead':
        group.owed.delete(owed.seq);
        return this.#bury(group, owed, verdict.failure);
      case 'advance':
        Object.assign(owed, { state: 'waiting', stage: verdict.stage, attempts: 0 });
        return;
      case 'retry':
        Object.assign(owed, { state: 'retrying', attempts: owed.attempts + 1, dueMs: verdict.dueMs });
        void this.#options.clock.until(owed.dueMs, this.#closing.signal).then(() => {
          owed.state = 'waiting';
          this.#pump(group);
        });
    }
  }

  #bury(group: Group, { seq, event, attempts }: Owed, failure: Failure): void {
    const diedMs = this.#options.clock.nowMs();
    this.#dead.push({ seq, group: group.name, event, failure, attempts: attempts + 1, diedMs });
    if (this.#dead.length > this.#options.deadLettersMax) this.#dead = this.#dead.slice(1); // the weaker contract
  }

  #inFlight(): number {
    return this.#groups.values().reduce((sum, { inFlight }) => sum + inFlight, 0);
  }
}

function refused(code: string, message: string): PlatformError {
  return new PlatformError(code, message, { retryable: true });
}
