import type { Clock } from '../../base/clock.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Group } from './group.ts';
import type { DeadRow, DueAt, OwedRow } from './protocol.ts';

/** An event at hand, and what it takes in the log: head and body. */
export type Kept = { readonly event: CloudEvent; readonly bytes: number };

/** A stored event, or what is wrong with it. */
export type Loaded = {
  readonly seq: number;
  readonly bytes: number;
  readonly event: CloudEvent | undefined;
  readonly fault: 'damaged' | 'missing' | undefined;
};

export type Change = {
  readonly owed?: OwedRow;
  readonly paid?: { readonly group: number; readonly seq: number };
  readonly dead?: DeadRow;
};

/** What a group needs of its channel and store. */
export interface GroupHost {
  readonly clock: Clock;
  readonly channelKey: string;
  readonly channel: number;
  /** The store has failed or is closed: nothing is answered any more. */
  isOver(): boolean;
  lastSeq(): number; // of what is committed
  totalBytes(): number; // of what is committed
  cached(seq: number): Kept | undefined;
  /** This group is done with an event: it needs no more be at hand for it. */
  settled(seq: number): void;
  /** The events after `after`, without a gap: what is not there any more is told as missing. */
  readPage(after: number): Promise<readonly Loaded[]>;
  readEvent(seq: number): Promise<Loaded>;
  readStage(group: number, seq: number): Promise<Uint8Array | null>;
  readOwed(group: number, after: DueAt, rowsMax: number): Promise<readonly Omit<OwedRow, 'stage'>[]>;
  /** When the oldest of these, or of what has a row in `owed`, was accepted. */
  oldestMs(group: number, seqs: readonly number[]): Promise<number | undefined>;
  /** Rides on the next commit. */
  note(change: Change): void;
  /** The group's row is to be written with the next commit. */
  touch(group: Group): void;
  /** Resolves once everything noted so far is durable, or never will be. */
  flushed(): Promise<void>;
  /** Whether the dead-letter store takes one more of that size. */
  takeDeadRoom(bytes: number): boolean;
}

/** Does `work`, unless the store is over: then its groups stand still until it is opened again. */
export async function whileOpen(host: GroupHost, work: () => Promise<void>): Promise<void> {
  try {
    if (!host.isOver()) await work();
  } catch (error) {
    if (!host.isOver()) throw error;
  }
}
