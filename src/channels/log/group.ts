import type { CloudEvent } from '../../events/event.ts';
import { publishSignal } from '../../telemetry/signals.ts';
import type { Backlog, Consumer, Failure, GroupOptions, Stage, Verdict } from '../channel.ts';
import type { Due } from './due-list.ts';
import { whileOpen, type GroupHost, type Loaded } from './group-host.ts';
import { Lanes } from './lanes.ts';
import { PageReader } from './page-reader.ts';
import { Progress } from './progress.ts';
import type { GroupRow, OpenGroup, OwedRow } from './protocol.ts';
import { Retries } from './retries.ts';
import { decodeStage, encodeStage, type StoredStage } from './stage-codec.ts';

type Flight = {
  readonly seq: number;
  attempt: number;
  readonly lane: string | undefined;
  isOwed: boolean; // has a row in `owed`
  stage: Uint8Array | null;
  bytes: number;
};

const DONE_ABOVE_MAX = 512;
const ORDERED_HELD_MAX = 10_000;
const DEAD_FULL_RETRY_MS = 60_000;

/**
 * One subscription's way through the log: offers what is due, at most `inFlightMax` at a time, and turns verdicts into
 * changes that ride on the next commit. Until somebody consumes, events are only counted for it.
 *   G1  an event is offered fresh (from the cursor on) or because it is owed and due; never both, never twice at a time.
 *   G2  a verdict is noted before its slot is free; `advance` is durable before it is offered again (C2).
 *   G3  what is kept in memory is bounded: flights by `inFlightMax`, retries by the bound of their list, what an ordered
 *       group holds back by ORDERED_HELD_MAX, single done events by DONE_ABOVE_MAX or twice `inFlightMax`.
 *   G4  a stored event that is damaged or missing is given up with that reason, never skipped (P2).
 */
export class Group {
  readonly id: number;
  readonly name: string;
  readonly #host: GroupHost;
  readonly #progress: Progress;
  readonly #retries: Retries;
  readonly #pages: PageReader;
  readonly #lanes = new Lanes();
  readonly #flights = new Map<number, Flight>();
  readonly #abort = new AbortController();
  #serving: { readonly options: GroupOptions; readonly consumer: Consumer } | undefined;
  #next: number;
  #isPumping = false;
  #isStopped = false;
  #isDeadFull = false;
  #stopping: Promise<number> | undefined;
  #onIdle: (() => void) | undefined;
  readonly #counts: { events: number; bytes: number; owed: number; dead: number };

  constructor(host: GroupHost, opened: OpenGroup) {
    const { id, name, cursor, done, events, bytes, owed, dead } = opened;
    this.#host = host;
    this.id = id;
    this.name = name;
    this.#progress = new Progress(cursor, done);
    this.#next = cursor + 1;
    this.#counts = { events, bytes, owed, dead };
    this.#pages = new PageReader(host, () => this.#pump());
    this.#retries = new Retries(host, id, {
      due: () => this.#pump(),
      isHeld: (seq) => this.#flights.has(seq) || this.#lanes.isWaiting(seq),
    });
  }

  /** Undefined until somebody consumes. */
  get options(): GroupOptions | undefined {
    return this.#serving?.options;
  }

  get owedBytes(): number {
    return this.#counts.bytes;
  }

  /** Offers go to this consumer from now on. An ordered group first finds out which lanes are held. */
  async serve(options: GroupOptions, consumer: Consumer): Promise<void> {
    const isFirst = this.#serving === undefined;
    if (isFirst && options.isOrdered) await this.#holdLanes();
    else if (isFirst && this.#counts.owed > 0) this.#retries.expectAll();
    this.#serving = { options, consumer };
    this.#pump();
  }

  accepted(events: number, bytes: number): void {
    this.#counts.events += events;
    this.#counts.bytes += bytes;
    this.#pump();
  }

  /** What the next commit writes of this group. */
  row(): GroupRow {
    const doneMax = Math.max(DONE_ABOVE_MAX, 2 * (this.options?.inFlightMax ?? 0));
    if (this.#progress.doneAbove > doneMax) this.#oweLaggards(doneMax / 2);
    const settledBytes = this.#host.totalBytes() - this.#counts.bytes;
    return { group: this.id, ...this.#progress.snapshot(), settledBytes };
  }

  async backlog(): Promise<Backlog> {
    const { events, bytes, owed, dead } = this.#counts;
    const flights = [...this.#flights.values()];
    const retrying = owed - flights.filter(({ isOwed }) => isOwed).length;
    const oldestMs = events === 0 ? undefined : await this.#oldestMs();
    const inFlight = flights.length;
    return {
      group: this.name,
      events,
      bytes,
      inFlight,
      retrying,
      dead,
      oldestMs,
      isDeadFull: this.#isDeadFull,
    };
  }

  /**
   * No further offers; waits for those under way, after `graceMs` aborts them. What has no verdict stays owed; returns
   * how many events that are.
   */
  stop(graceMs: number): Promise<number> {
    return (this.#stopping ??= this.#drain(graceMs));
  }

  async #drain(graceMs: number): Promise<number> {
    this.#isStopped = true;
    this.#retries.stop();
    if (this.#flights.size > 0) {
      const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
      const done = new AbortController();
      const dueMs = this.#host.clock.nowMs() + graceMs;
      void this.#host.clock.until(dueMs, done.signal).then(() => this.#abort.abort());
      await idle;
      done.abort();
    }
    return this.#counts.events;
  }

  #pump(): void {
    const inFlightMax = this.options?.inFlightMax ?? 0;
    if (this.#isPumping || this.#isStopped || this.#host.isOver()) return;
    this.#isPumping = true;
    while (this.#flights.size < inFlightMax && this.#offerNext());
    this.#isPumping = false;
    if (this.#flights.size < inFlightMax) this.#retries.arm();
  }

  /** Whether there may be more to offer. */
  #offerNext(): boolean {
    const due = this.#retries.takeDue();
    if (due === undefined) return this.#offerFresh();
    this.#begin(due, true);
    return true;
  }

  #offerFresh(): boolean {
    const seq = this.#next;
    if (seq > this.#host.lastSeq()) return false;
    if (this.#progress.isDone(seq)) {
      this.#next += 1;
      return true;
    }
    const isOrdered = this.options?.isOrdered === true;
    if (isOrdered && this.#lanes.size >= ORDERED_HELD_MAX) return false;
    const kept = this.#host.cached(seq);
    const loaded = kept === undefined ? this.#pages.find(seq) : undefined;
    const found = kept ?? loaded;
    if (found === undefined) return false;
    this.#next += 1;
    if (loaded !== undefined) this.#pages.drop(seq);
    const lane = isOrdered ? (found.event?.attributes.get('partitionkey') ?? '') : undefined;
    const waiter = { seq, isOwed: false, attempts: 0, stage: null };
    if (lane !== undefined && !this.#lanes.enter(lane, waiter)) return true;
    const flight: Flight = { seq, attempt: 1, lane, isOwed: false, stage: null, bytes: found.bytes };
    this.#flights.set(seq, flight);
    if (found.event === undefined) this.#conclude(flight, undefined, faulty(loaded?.fault));
    else this.#offer(flight, found.event, DELIVER);
    return true;
  }

  /** Offers something that has waited: read back unless it is still at hand. */
  #begin({ seq, attempts, lane, stage }: Omit<Due, 'dueMs'>, isOwed: boolean): void {
    const flight: Flight = { seq, attempt: attempts + 1, lane, isOwed, stage: stage ?? null, bytes: 0 };
    this.#flights.set(seq, flight);
    const kept = stage === null ? this.#host.cached(seq) : undefined;
    if (kept === undefined) {
      void whileOpen(this.#host, () => this.#readBack(flight, stage === undefined)).finally(() => {
        if (this.#host.isOver()) this.#free(flight);
      });
      return;
    }
    flight.bytes = kept.bytes;
    this.#offer(flight, kept.event, DELIVER);
  }

  async #readBack(flight: Flight, readStage: boolean): Promise<void> {
    const loaded = await this.#host.readEvent(flight.seq);
    if (readStage) {
      await this.#host.flushed(); // it may have been noted a moment ago
      flight.stage = await this.#host.readStage(this.id, flight.seq);
    }
    flight.bytes = loaded.bytes;
    if (this.#isStopped) return this.#free(flight); // stays owed
    const stage = decodeStage(flight.stage);
    if (stage.kind === 'bury') this.#bury(flight, loaded.event, stage.failure);
    else if (loaded.event === undefined) this.#conclude(flight, undefined, faulty(loaded.fault));
    else this.#offer(flight, loaded.event, stage);
  }

  #offer(flight: Flight, event: CloudEvent, stage: Stage): void {
    const { seq, attempt } = flight;
    void this.#serving
      ?.consumer({ event, attempt, stage, seq }, this.#abort.signal)
      .then((verdict) => this.#conclude(flight, event, verdict));
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
    // Nothing owed is no bytes owed, whatever a missing event took.
    this.#counts.bytes = this.#counts.events === 0 ? 0 : this.#counts.bytes - flight.bytes;
    this.#leaveLane(flight.lane);
    this.#free(flight);
  }

  #retry(flight: Flight, verdict: { dueMs: number; reason: string; code: number }): void {
    const { seq, attempt, lane, stage } = flight;
    const { reason, code } = verdict;
    // Never in the same turn of the event loop: a consumer that fails at once would leave no room for anything else.
    const dueMs = Math.max(verdict.dueMs, this.#host.clock.nowMs() + 1);
    this.#owe(flight, { dueMs, attempts: attempt, reason, code });
    // One of a later stage is read back, so that its bytes do not wait in memory.
    this.#retries.push({ seq, dueMs, attempts: attempt, lane, stage: stage === null ? null : undefined });
    this.#free(flight);
  }

  async #advance(flight: Flight, event: CloudEvent | undefined, stage: Stage): Promise<void> {
    flight.stage = encodeStage(stage);
    this.#owe(flight, { dueMs: 0, attempts: 0, reason: '', code: 0 });
    this.#host.touch(this); // with the row, or it would be owed and fresh after a crash (G1)
    await this.#host.flushed(); // G2
    if (event === undefined || this.#isStopped || this.#host.isOver()) return this.#free(flight); // goes on from disk
    flight.attempt = 1;
    this.#offer(flight, event, stage);
  }

  #bury(flight: Flight, event: CloudEvent | undefined, failure: Failure): void {
    const atMs = this.#host.clock.nowMs();
    this.#isDeadFull = !this.#host.takeDeadRoom(flight.bytes);
    if (this.#isDeadFull) {
      flight.stage = encodeStage({ kind: 'bury', failure } satisfies StoredStage);
      flight.attempt -= 1; // to bury it is no attempt to deliver
      const reason = `the dead-letter store is full; given up because: ${failure.reason}`;
      return this.#retry(flight, { dueMs: atMs + DEAD_FULL_RETRY_MS, reason, code: failure.code });
    }
    const { seq, attempt: attempts, bytes } = flight;
    const id = event?.attributes.get('id') ?? '';
    const where = { group: this.id, channel: this.#host.channel, seq };
    this.#host.note({
      dead: { ...where, atMs, attempts, eventId: id, bytes, failure: JSON.stringify(failure) },
    });
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
    this.#retries.left(flight.seq);
    this.#host.touch(this);
    if (!this.#isStopped) this.#pump();
    else if (this.#flights.size === 0) this.#onIdle?.();
  }

  #leaveLane(lane: string | undefined): void {
    if (lane === undefined) return;
    const next = this.#lanes.leave(lane);
    if (next === undefined || this.#isStopped) return;
    const { seq, attempts, stage, isOwed } = next;
    if (isOwed) this.#retries.push({ seq, dueMs: 0, attempts, lane, stage });
    else this.#begin({ seq, attempts, lane, stage }, false);
  }

  /** P5 across restarts: what is owed holds its lane before anything fresh is offered. */
  async #holdLanes(): Promise<void> {
    for (const { seq, dueMs, attempts, lane } of await this.#retries.readAll()) {
      const waiter = { seq, attempts, stage: undefined, isOwed: true };
      if (this.#lanes.enter(lane ?? '', waiter)) this.#retries.push({ ...waiter, dueMs, lane: lane ?? '' });
    }
  }

  /** The oldest unfinished events get rows of their own, so that the cursor can move past them (P4). */
  #oweLaggards(doneAboveMax: number): void {
    const waiting = new Map(
      [...this.#lanes.waiters()].map(([lane, waiter]) => [waiter.seq, { lane, waiter }]),
    );
    for (let seq = this.#progress.cursor + 1; this.#progress.doneAbove > doneAboveMax; seq += 1) {
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
    const seqs = [...this.#flights.keys(), ...this.#retries.seqs()];
    const fresh = this.#progress.cursor + 1;
    if (fresh <= this.#host.lastSeq()) seqs.push(fresh);
    return this.#host.oldestMs(this.id, seqs);
  }
}

const DELIVER: Stage = { kind: 'deliver' };

function faulty(fault: Loaded['fault']): Verdict {
  const reason =
    fault === 'damaged'
      ? 'the stored event is damaged: its checksum does not fit its bytes'
      : 'the stored event is missing: its row is not in the log any more';
  return { kind: 'dead', failure: { dest: '', code: 500, data: '', reason } };
}
