import { onSignal, type SignalName, type Signals } from './signals.ts';

/** One thing that was said about events: a signal with its name. */
export type JournalRecord = {
  readonly [Name in SignalName]: { readonly signal: Name } & Signals[Name];
}[SignalName];

const KEPT = 20_000;
const PENDING_MAX = 10_000;
const FORGOT = 'channel.forgot';
const RECORDED: readonly SignalName[] = [
  'source.sent',
  'source.refused',
  'channel.accepted',
  FORGOT,
  'channel.refused',
  'dispatcher.attempted',
  'dispatcher.dead',
  'reply.sent',
  'serving.answered',
  'serving.instance',
];

/**
 * What happened to events, for `trace` and `tail`: the newest in a bounded ring in memory, all of it handed to the log
 * as one packed row with each commit. It never slows or blocks delivery: what it cannot keep up with it drops, and says
 * how much.
 */
export class Journal {
  readonly #ring: JournalRecord[] = [];
  #next = 0;
  #pending: JournalRecord[] = [];
  #dropped = 0;
  readonly #followers = new Set<(record: JournalRecord) => void>();
  readonly #stops: (() => void)[];

  constructor() {
    this.#stops = RECORDED.map((name) =>
      onSignal(name, (signal) => this.#record({ signal: name, ...signal } as JournalRecord)),
    );
  }

  /** How many records were dropped before they were stored. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What has come since the last call, as lines of JSON; undefined when nothing has. */
  take(): Uint8Array | undefined {
    if (this.#pending.length === 0) return undefined;
    const lines = this.#pending.map((record) => JSON.stringify(record)).join('\n');
    this.#pending = [];
    return Buffer.from(lines);
  }

  /** Records that speak of one event, from memory and from the stored rows, in the order of their times. */
  of(eventId: string, stored: readonly Uint8Array[]): JournalRecord[] {
    const found = new Map<string, JournalRecord>();
    for (const record of [...stored.flatMap((rows) => recordsIn(rows, eventId)), ...this.#ring]) {
      if (speaksOf(record, eventId)) found.set(JSON.stringify(record), record);
    }
    return [...found.values()].toSorted((a, b) => a.atMs - b.atMs);
  }

  /** The groups that a channel has forgotten, from memory and from the stored rows. */
  forgotten(channel: string, stored: readonly Uint8Array[]): readonly Signals['channel.forgot'][] {
    const found = new Map<string, Signals['channel.forgot']>();
    for (const record of [...stored.flatMap((rows) => recordsIn(rows, FORGOT)), ...this.#ring])
      if (record.signal === FORGOT && record.channel === channel) found.set(record.group, record);
    return [...found.values()];
  }

  recent(count: number): JournalRecord[] {
    const all =
      this.#ring.length < KEPT
        ? this.#ring
        : [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return all.slice(-count);
  }

  /** Calls `listener` with every record from now on; returns how to stop. */
  follow(listener: (record: JournalRecord) => void): () => void {
    this.#followers.add(listener);
    return () => void this.#followers.delete(listener);
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #record(record: JournalRecord): void {
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % KEPT;
    if (this.#pending.length < PENDING_MAX) this.#pending.push(record);
    else this.#dropped += 1;
    for (const follower of this.#followers) follower(record);
  }
}

/** All records of a packed row that holds `text`. */
function recordsIn(rows: Uint8Array, text: string): JournalRecord[] {
  const lines = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString();
  if (!lines.includes(JSON.stringify(text).slice(1, -1))) return [];
  return lines.split('\n').map((line) => JSON.parse(line) as JournalRecord); // written by take()
}

function speaksOf(record: JournalRecord, eventId: string): boolean {
  return ('id' in record && record.id === eventId) || ('inReplyTo' in record && record.inReplyTo === eventId);
}
