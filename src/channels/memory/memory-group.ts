import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Backlog, Consumer, Failure, GroupOptions, Stage, Verdict } from '../channel.ts';

export type Owed = {
  readonly seq: number;
  readonly event: CloudEvent;
  readonly bytes: number;
  readonly acceptedMs: number;
  stage: Stage;
  attempts: number;
  isRetrying: boolean;
};

export type MemoryGroupTools = {
  readonly clock: Clock;
  readonly bury: (owed: Owed, failure: Failure) => void;
};

/** What one subscription of a memory channel is owed. Every act costs the same, however much that is. */
export class MemoryGroup {
  readonly #tools: MemoryGroupTools;
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #owed = new Map<number, Owed>(); // in the order of the channel
  /** Free to be offered, the first first; what an ordered group holds back is in its lane instead. */
  readonly #ready = new Map<number, Owed>();
  readonly #lanes = new Map<string, Owed[]>();
  #consumer: Consumer;
  #inFlight = 0;
  #retrying = 0;
  #onIdle: (() => void) | undefined;
  #stopping: Promise<number> | undefined;
  options: GroupOptions;
  bytes = 0;

  constructor(tools: MemoryGroupTools, options: GroupOptions, consumer: Consumer) {
    this.#tools = tools;
    this.options = options;
    this.#consumer = consumer;
  }

  get size(): number {
    return this.#owed.size;
  }

  serve(options: GroupOptions, consumer: Consumer): void {
    const isOrderNew = options.isOrdered !== this.options.isOrdered;
    this.options = options;
    this.#consumer = consumer;
    if (isOrderNew) this.#formLanes();
    this.#pump();
  }

  keep(accepted: Pick<Owed, 'seq' | 'event' | 'bytes' | 'acceptedMs'>): void {
    const owed: Owed = { ...accepted, stage: { kind: 'deliver' }, attempts: 0, isRetrying: false };
    this.#owed.set(owed.seq, owed);
    this.bytes += owed.bytes;
    if (this.#enterLane(owed)) this.#ready.set(owed.seq, owed);
    this.#pump();
  }

  figures(): Omit<Backlog, 'group' | 'dead' | 'isDeadFull'> {
    const oldest = this.#owed.values().next().value;
    return {
      events: this.size,
      bytes: this.bytes,
      inFlight: this.#inFlight,
      retrying: this.#retrying,
      oldestMs: oldest?.acceptedMs,
    };
  }

  /** No further offers; waits for those under way, after `graceMs` aborts them. Returns how many events stay owed. */
  stop(graceMs: number): Promise<number> {
    return (this.#stopping ??= this.#drain(graceMs));
  }

  async #drain(graceMs: number): Promise<number> {
    this.#stop.abort();
    if (this.#inFlight === 0) return this.size;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const done = new AbortController();
    const { clock } = this.#tools;
    void clock.until(clock.nowMs() + graceMs, done.signal).then(() => this.#abort.abort());
    await idle;
    done.abort();
    return this.size;
  }

  #pump(): void {
    if (this.#stop.signal.aborted) return;
    for (const [seq, owed] of this.#ready) {
      if (this.#inFlight >= this.options.inFlightMax) return;
      this.#ready.delete(seq);
      this.#offer(owed);
    }
  }

  #offer(owed: Owed): void {
    const { event, stage, seq, attempts } = owed;
    this.#inFlight += 1;
    void this.#consumer({ event, attempt: attempts + 1, stage, seq }, this.#abort.signal).then((verdict) => {
      this.#inFlight -= 1;
      this.#conclude(owed, verdict);
      this.#pump();
      if (this.#inFlight === 0) this.#onIdle?.();
    });
  }

  #conclude(owed: Owed, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'settled':
        return this.#finish(owed);
      case 'dead':
        this.#tools.bury(owed, verdict.failure);
        return this.#finish(owed);
      case 'advance':
        Object.assign(owed, { stage: verdict.stage, attempts: 0 });
        return void this.#ready.set(owed.seq, owed);
      case 'retry':
        owed.attempts += 1;
        return void this.#retryAt(owed, verdict.dueMs);
    }
  }

  async #retryAt(owed: Owed, dueMs: number): Promise<void> {
    this.#retrying += 1;
    await this.#tools.clock.until(dueMs, this.#stop.signal);
    await nextTurn(); // a consumer that fails at once would leave no room for anything else
    this.#retrying -= 1;
    this.#ready.set(owed.seq, owed);
    this.#pump();
  }

  #finish({ seq, event, bytes }: Owed): void {
    this.#owed.delete(seq);
    this.bytes -= bytes;
    const lane = laneOf(event);
    const next = this.#lanes.get(lane)?.shift();
    if (next === undefined) this.#lanes.delete(lane);
    else this.#ready.set(next.seq, next);
  }

  /** Of what nobody was offered yet; what is under way goes on as it was. */
  #formLanes(): void {
    const held = [...this.#lanes.values()].flat();
    const waiting = [...this.#ready.values(), ...held].toSorted((a, b) => a.seq - b.seq);
    this.#lanes.clear();
    this.#ready.clear();
    for (const owed of waiting) if (this.#enterLane(owed)) this.#ready.set(owed.seq, owed);
  }

  /** In order, whatever comes later in a lane waits for the one before it (promise P5). */
  #enterLane(owed: Owed): boolean {
    if (!this.options.isOrdered) return true;
    const lane = laneOf(owed.event);
    const queue = this.#lanes.get(lane);
    if (queue === undefined) this.#lanes.set(lane, []);
    else queue.push(owed);
    return queue === undefined;
  }
}

function laneOf(event: CloudEvent): string {
  return event.attributes.get('partitionkey') ?? '';
}
