import type { Clock } from '../../base/clock.ts';
import type { CloudEvent } from '../../events/event.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import type { Backlog, Consumer, Failure, GroupOptions, Stage, Verdict } from '../channel.ts';
import type { Due } from './due-list.ts';
import { Lanes } from './lanes.ts';
import { Progress } from './progress.ts';
import { Retries } from './retries.ts';
import type { DeadRow, GroupRow, OpenGroup, OwedRow } from './protocol.ts';
import { decodeStage, encodeStage } from './stage-codec.ts';

/** An event at hand, and what it takes in the log: head and body. */
export type Kept = { readonly event: CloudEvent; readonly bytes: number };

/** A stored event; without `event` when its bytes are damaged. */
export type Loaded = {
  readonly seq: number;
  readonly event: CloudEvent | undefined;
  readonly bytes: number;
  readonly atMs: number;
};

/** What a group needs of its channel and store. */
export interface GroupHost {
  readonly clock: Clock;
  readonly channelKey: string;
  readonly lost: AbortSignal;
  readonly channel: number;
  lastSeq(): number; // of what is committed
  cached(seq: number): Kept | undefined;
  /** This group is done with an event: it needs no more be at hand for it. */
  settled(seq: number): void;
  readPage(after: number): Promise<readonly Loaded[]>;
  readEvent(seq: number): Promise<Loaded | undefined>;
  readStage(group: number, seq: number): Promise<Uint8Array | null>;
  readOwed(
    group: number,
    after: { dueMs: number; seq: number },
    rowsMax: number,
  ): Promise<readonly Omit<OwedRow, 'stage'>[]>;
  /** Rides on the next commit. */
  note(change: { owed?: OwedRow; paid?: { group: number; seq: number }; dead?: DeadRow }): void;
  /** The group's row is to be written with the next commit. */
  touch(group: Group): void;
  /** Resolves once everything noted so far is durable. */
  flushed(): Promise<void>;
  /** Whether the dead-letter store takes one more of that size. */
  takeDeadRoom(bytes: number): boolean;
}

type Flight = {
  readonly seq: number;
  attempt: number;
  readonly lane: string | undefined;
  isOwed: boolean; // has a row in `owed`
  stage: Uint8Array | null;
  bytes: number;
};

const DONE_ABOVE_MAX = 4096;
const ORDERED_UNFINISHED_MAX = 10_000;
const DEAD_FULL_RETRY_MS = 60_000;

/**
 * One subscription's way through the log: offers what is due, at most `inFlightMax` at a time, and turns verdicts into
 * changes that ride on the next commit.
 *   G1  an event is offered fresh (from the cursor on) or because it is owed and due; never both, never twice at a time.
 *   G2  a verdict is noted before its slot is free; `advance` is durable before it is offered again (C2).
 *   G3  what is kept in memory is bounded: flights by `inFlightMax`, retries by the bound of their list, an ordered group's waiting
 *       events by ORDERED_UNFINISHED_MAX, single done events by DONE_ABOVE_MAX.
 */
export class Group {
  readonly id: number;
  readonly name: string;
  options: GroupOptions;
  #consumer: Consumer;
  readonly #host: GroupHost;
  readonly #progress: Progress;
  readonly #retries: Retries;
  readonly #lanes = new Lanes();
  readonly #flights = new Map<number, Flight>();
  readonly #abort = new AbortController();
  #page = new Map<number, Loaded>();
  #next: number;
  #isLoadingPage = false;
  #isPumping = false;
  #isStopped = false;
  #stopping: Promise<number> | undefined;
  #idle: (() => void) | undefined;
  #counts: { events: number; bytes: number; owed: number; dead: number };

  constructor(host: GroupHost, name: string, opened: OpenGroup, options: GroupOptions, consumer: Consumer) {
    this.#host = host;
    this.id = opened.id;
    this.name = name;
    this.options = options;
    this.#consumer = consumer;
    this.#progress = new Progress(opened.cursor, opened.done);
    this.#next = opened.cursor + 1;
    this.#counts = { events: opened.events, bytes: opened.bytes, owed: opened.owed, dead: opened.dead };
    this.#retries = new Retries(
      host,
      { group: opened.id, hasOwed: opened.owed > 0 },
      { onDue: () => this.#pump(), isInFlight: (seq) => this.#flights.has(seq) },
    );
  }

  /** Offers begin; an ordered group first finds out which lanes are held. */
  async start(): Promise<void> {
    if (this.options.isOrdered) await this.#holdLanes();
    this.#pump();
  }

  exchange(options: GroupOptions, consumer: Consumer): void {
    this.options = options;
    this.#consumer = consumer;
    this.#pump();
  }

  get owedBytes(): number {
    return this.#counts.bytes;
  }

  get cursor(): number {
    return this.#progress.cursor;
  }

  accepted(events: number, bytes: number): void {
    this.#counts.events += events;
    this.#counts.bytes += bytes;
    this.#pump();
  }

  row(): GroupRow {
    if (this.#progress.doneAbove > DONE_ABOVE_MAX) this.#oweLaggards();
    return { group: this.id, ...this.#progress.snapshot() };
  }

  async backlog(): Promise<Backlog> {
    const { events, bytes, dead } = this.#counts;
    const retrying = this.#counts.owed;
    return {
      group: this.name,
      events,
      bytes,
      inFlight: this.#flights.size,
      retrying,
      dead,
      oldestMs: await this.#oldestMs(),
    };
  }

  /** No further offers; waits for those under way, after `graceMs` aborts them. What has no verdict stays owed. */
  stop(graceMs: number): Promise<number> {
    return (this.#stopping ??= this.#drain(graceMs));
  }

  async #drain(graceMs: number): Promise<number> {
    this.#isStopped = true;
    this.#retries.stop();
    if (this.#flights.size > 0) {
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      const done = new AbortController();
      void this.#host.clock
        .until(this.#host.clock.nowMs() + graceMs, done.signal)
        .then(() => this.#abort.abort());
      await idle;
      done.abort();
    }
    return this.#counts.events;
  }

  #pump(): void {
    if (this.#isPumping || this.#isStopped) return;
    this.#isPumping = true;
    const { inFlightMax } = this.options;
    while (this.#flights.size < inFlightMax && this.#offerNext());
    this.#isPumping = false;
    if (this.#flights.size < inFlightMax) this.#retries.arm();
  }

  #offerNext(): boolean {
    const due = this.#retries.takeDue();
    if (due !== undefined) {
      this.#begin(due, true);
      return true;
    }
    return this.#offerFresh();
  }

  #offerFresh(): boolean {
    const seq = this.#next;
    if (seq > this.#host.lastSeq()) return false;
    if (this.#progress.isDone(seq)) {
      this.#next += 1;
      return true;
    }
    if (!this.options.isOrdered) return this.#takeFresh(seq, undefined);
    if (this.#lanes.waiting >= ORDERED_UNFINISHED_MAX) return false;
    const event = this.#host.cached(seq)?.event ?? this.#page.get(seq)?.event;
    if (event === undefined) return this.#takeFresh(seq, undefined); // to be read, or damaged
    const lane = event.attributes.get('partitionkey') ?? '';
    if (this.#lanes.enter(lane, { seq, isOwed: false, attempts: 0, stage: null }))
      return this.#takeFresh(seq, lane);
    this.#next += 1;
    return true;
  }

  #takeFresh(seq: number, lane: string | undefined): boolean {
    const found = this.#host.cached(seq) ?? this.#page.get(seq);
    if (found === undefined) {
      void this.#loadPage();
      return false;
    }
    this.#page.delete(seq);
    this.#next += 1;
    const flight: Flight = { seq, attempt: 1, lane, isOwed: false, stage: null, bytes: found.bytes };
    this.#flights.set(seq, flight);
    if (found.event === undefined) this.#conclude(flight, undefined, DAMAGED);
    else this.#offer(flight, found.event, DELIVER);
    return true;
  }

  /** Offers something that has waited: read back unless it is still at hand. */
  #begin({ seq, attempts, lane, stage }: Omit<Due, 'dueMs'>, isOwed: boolean): void {
    const flight: Flight = { seq, attempt: attempts + 1, lane, isOwed, stage: stage ?? null, bytes: 0 };
    this.#flights.set(seq, flight);
    const kept = stage === null ? this.#host.cached(seq) : undefined;
    if (kept === undefined) return void this.#readBack(flight, stage === undefined);
    flight.bytes = kept.bytes;
    this.#offer(flight, kept.event, DELIVER);
  }

  async #readBack(flight: Flight, readStage: boolean): Promise<void> {
    const loaded = await this.#host.readEvent(flight.seq);
    if (readStage) flight.stage = await this.#host.readStage(this.id, flight.seq);
    flight.bytes = loaded?.bytes ?? 0;
    if (loaded?.event === undefined)
      this.#conclude(flight, undefined, loaded === undefined ? MISSING : DAMAGED);
    else this.#offer(flight, loaded.event, decodeStage(flight.stage));
  }

  #offer(flight: Flight, event: CloudEvent, stage: Stage): void {
    const { seq, attempt } = flight;
    void this.#consumer({ event, attempt, stage, seq }, this.#abort.signal).then((verdict) =>
      this.#conclude(flight, event, verdict),
    );
  }

  #conclude(flight: Flight, event: CloudEvent | undefined, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'settled':
        return this.#finish(flight);
      case 'retry':
        return this.#retry(flight, verdict);
      case 'advance':
        return void this.#advance(flight, event, verdict.stage);
      case 'dead':
        return this.#bury(flight, event, verdict.failure);
    }
  }

  #finish(flight: Flight): void {
    if (flight.isOwed) {
      this.#counts.owed -= 1;
      this.#host.note({ paid: { group: this.id, seq: flight.seq } });
    } else {
      this.#progress.finish(flight.seq);
    }
    this.#host.settled(flight.seq);
    this.#counts.events -= 1;
    this.#counts.bytes -= flight.bytes;
    this.#leaveLane(flight.lane);
    this.#free(flight);
  }

  #retry(flight: Flight, { dueMs, reason, code }: { dueMs: number; reason: string; code: number }): void {
    const { seq, attempt, lane, stage } = flight;
    this.#owe(flight, { dueMs, attempts: attempt, reason, code });
    // One of a later stage is read back, so that its bytes do not wait in memory.
    this.#retries.push({ seq, dueMs, attempts: attempt, lane, stage: stage === null ? null : undefined });
    this.#free(flight);
  }

  async #advance(flight: Flight, event: CloudEvent | undefined, stage: Stage): Promise<void> {
    flight.stage = encodeStage(stage);
    this.#owe(flight, { dueMs: 0, attempts: 0, reason: '', code: 0 });
    await this.#host.flushed(); // G2
    if (event === undefined || this.#isStopped || this.#host.lost.aborted) return this.#free(flight); // goes on from disk
    flight.attempt = 1;
    this.#offer(flight, event, stage);
  }

  #bury(flight: Flight, event: CloudEvent | undefined, failure: Failure): void {
    const atMs = this.#host.clock.nowMs();
    if (!this.#host.takeDeadRoom(flight.bytes)) {
      const reason = `the dead-letter store is full; given up because: ${failure.reason}`;
      return this.#retry(flight, { dueMs: atMs + DEAD_FULL_RETRY_MS, reason, code: failure.code });
    }
    const { seq, attempt: attempts } = flight;
    const id = event?.attributes.get('id') ?? '';
    const where = { group: this.id, channel: this.#host.channel, seq };
    this.#host.note({ dead: { ...where, atMs, attempts, eventId: id, failure: JSON.stringify(failure) } });
    this.#counts.dead += 1;
    publishSignal('dispatcher.dead', {
      id,
      source: event?.attributes.get('source') ?? '',
      type: event?.attributes.get('type') ?? '',
      atMs,
      channel: this.#host.channelKey,
      group: this.name,
      code: failure.code,
      reason: failure.reason,
    });
    this.#finish(flight);
  }

  #owe(flight: Flight, row: Pick<OwedRow, 'dueMs' | 'attempts' | 'reason' | 'code'>): void {
    const { seq, stage } = flight;
    this.#host.note({ owed: { group: this.id, seq, lane: flight.lane ?? null, stage, ...row } });
    if (flight.isOwed) return;
    flight.isOwed = true;
    this.#counts.owed += 1;
    this.#progress.finish(seq);
  }

  #free(flight: Flight): void {
    this.#flights.delete(flight.seq);
    this.#host.touch(this);
    if (!this.#isStopped) this.#pump();
    else if (this.#flights.size === 0) this.#idle?.();
  }

  #leaveLane(lane: string | undefined): void {
    if (lane === undefined) return;
    const next = this.#lanes.leave(lane);
    if (next === undefined || this.#isStopped) return;
    const { seq, attempts, stage, isOwed } = next;
    if (isOwed) this.#retries.push({ seq, dueMs: 0, attempts, lane, stage });
    else this.#begin({ seq, attempts, lane, stage }, false);
  }

  async #loadPage(): Promise<void> {
    if (this.#isLoadingPage) return;
    this.#isLoadingPage = true;
    const after = this.#next - 1;
    const rows = await this.#host.readPage(after);
    this.#page = new Map(rows.map((row) => [row.seq, row]));
    const first = rows[0]?.seq ?? this.#host.lastSeq() + 1;
    for (let seq = after + 1; seq < first; seq += 1) this.#progress.finish(seq); // removed by retention before it was ours
    this.#isLoadingPage = false;
    this.#pump();
  }

  /** P5 across restarts: what is owed holds its lane before anything fresh is offered. */
  async #holdLanes(): Promise<void> {
    for (const { seq, dueMs, attempts, lane } of await this.#retries.takeAll()) {
      const waiter = { seq, attempts, stage: undefined, isOwed: true };
      if (this.#lanes.enter(lane ?? '', waiter)) this.#retries.push({ ...waiter, dueMs, lane: lane ?? '' });
    }
  }

  /** The oldest unfinished events get rows of their own, so that the cursor can move past them. */
  #oweLaggards(): void {
    const waiting = new Map(
      [...this.#lanes.waiters()].map(([lane, waiter]) => [waiter.seq, { lane, waiter }]),
    );
    for (let seq = this.#progress.cursor + 1; this.#progress.doneAbove > DONE_ABOVE_MAX / 2; seq += 1) {
      if (this.#progress.isDone(seq)) continue;
      const flight = this.#flights.get(seq);
      const row = { dueMs: 0, reason: '', code: 0 };
      if (flight !== undefined) {
        this.#owe(flight, { ...row, attempts: flight.attempt - 1 });
        continue;
      }
      const found = waiting.get(seq);
      if (found === undefined) return; // not offered yet: nothing above it is done but what a former run had done
      found.waiter.isOwed = true;
      this.#counts.owed += 1;
      this.#host.note({ owed: { group: this.id, seq, lane: found.lane, stage: null, attempts: 0, ...row } });
      this.#progress.finish(seq);
    }
  }

  async #oldestMs(): Promise<number | undefined> {
    const fresh = this.#progress.cursor + 1;
    const candidates = [...this.#flights.keys(), ...this.#retries.seqs()];
    if (fresh <= this.#host.lastSeq()) candidates.push(fresh);
    if (candidates.length === 0) return undefined;
    return (await this.#host.readEvent(candidates.reduce((a, b) => Math.min(a, b))))?.atMs;
  }
}

const DELIVER: Stage = { kind: 'deliver' };

const broken = (reason: string): Verdict => ({
  kind: 'dead',
  failure: { dest: '', code: 500, data: '', reason },
});
const DAMAGED = broken('the stored event is damaged: its checksum does not fit its bytes');
const MISSING = broken('the stored event is missing');
