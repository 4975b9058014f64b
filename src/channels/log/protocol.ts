/**
 * What the main thread and the log's worker say to one another. One Batch is one commit. Sequences are given on the main
 * thread, which is the only writer; a row of `events` is found by `channel * CHANNEL_SPAN + seq`.
 */
export const CHANNEL_SPAN = 2 ** 36;
export const CHANNELS_MAX = 2 ** 17 - 1;

/** Events to insert: heads and bodies one after the other in `bytes`. */
export type PackedEvents = {
  readonly count: number;
  readonly rows: Float64Array;
  readonly atMs: Float64Array;
  /** Bytes that the channel had accepted in all, this event included: what lies between two events is a subtraction. */
  readonly totals: Float64Array;
  readonly headLengths: Uint32Array;
  readonly bodyLengths: Uint32Array;
  readonly bytes: Uint8Array;
};

/** Where a group stands: all up to `cursor` and all `cursor + done[i]` are settled, or have a row in `owed`. */
export type GroupRow = {
  readonly group: number;
  readonly cursor: number;
  readonly done: Uint32Array;
  /** Of the channel's total, what this group is done with. */
  readonly settledBytes: number;
};

export type OwedRow = {
  readonly group: number;
  readonly seq: number;
  readonly dueMs: number;
  readonly attempts: number; // that have ended, in this stage
  readonly code: number;
  readonly reason: string;
  readonly lane: string | null; // the partition key, in ordered groups
  readonly stage: Uint8Array | null; // null: deliver
};

/** A place in the order in which things are due. */
export type DueAt = { readonly dueMs: number; readonly seq: number };

export type DeadRow = {
  readonly group: number;
  readonly channel: number;
  readonly seq: number;
  readonly atMs: number;
  readonly attempts: number;
  readonly eventId: string;
  readonly bytes: number;
  readonly failure: string; // JSON of a Failure
};

export type Batch = {
  readonly events: PackedEvents | undefined;
  readonly groups: readonly GroupRow[];
  readonly owed: readonly OwedRow[];
  readonly paid: readonly { readonly group: number; readonly seq: number }[]; // rows of `owed` to remove
  readonly dead: readonly DeadRow[];
  readonly journal: { readonly rows: Uint8Array; readonly atMs: number } | undefined;
};

export type OpenGroup = {
  readonly id: number;
  readonly name: string;
  readonly cursor: number;
  readonly done: Uint32Array;
  /** Unsettled events and their bytes, owed rows included. */
  readonly events: number;
  readonly bytes: number;
  readonly owed: number;
  readonly dead: number;
};

export type OpenedChannel = {
  readonly id: number;
  readonly lastSeq: number;
  readonly totalBytes: number;
  /** Those that events are kept for, whether or not anybody consumes yet. */
  readonly groups: readonly OpenGroup[];
};

/** Stored events, damaged ones included: their crc32 does not fit, and their bytes are not to be trusted. */
export type PageRow = {
  readonly seq: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
  readonly isDamaged: boolean;
};

export type DeadPageRow = Omit<PageRow, 'seq'> &
  Omit<DeadRow, 'group' | 'bytes'> & { readonly group: string };

/** Whether there may be more to remove, and which dead letters went with their channel. */
export type Trimmed = { readonly isMore: boolean; readonly letters: number; readonly letterBytes: number };

/** A request is answered by the value that its entry here names. */
export type Requests = {
  commit: { in: Batch; out: undefined };
  openChannel: { in: { key: string; uid: string }; out: OpenedChannel };
  /** Whether there is one; it is not made. */
  hasChannel: { in: { uid: string }; out: boolean };
  removeChannel: { in: { channel: number }; out: undefined };
  openGroup: {
    in: { channel: number; name: string; start: 'latest' | 'earliest' | { readonly sinceMs: number } };
    out: OpenGroup;
  };
  forgetGroup: { in: { group: number }; out: undefined };
  page: {
    in: { channel: number; after: number; eventsMax: number; bytesMax: number };
    out: readonly PageRow[];
  };
  event: { in: { channel: number; seq: number }; out: PageRow | undefined };
  stage: { in: { group: number; seq: number }; out: Uint8Array | undefined };
  owedAfter: {
    in: { group: number; after: DueAt; rowsMax: number };
    out: readonly Omit<OwedRow, 'stage'>[];
  };
  /** When the oldest of these and of the group's owed rows was accepted. */
  oldest: { in: { channel: number; group: number; seqs: readonly number[] }; out: number | undefined };
  dead: {
    in: { channel: number; limit: number; group: string | undefined; eventId: string | undefined };
    out: readonly DeadPageRow[];
  };
  trim: { in: { beforeMs: number; keepBytes: number; rowsMax: number }; out: Trimmed };
  deadTotals: { in: undefined; out: { letters: number; bytes: number } };
  journal: { in: { sinceMs: number }; out: readonly Uint8Array[] };
  backup: { in: { file: string }; out: undefined };
  close: { in: undefined; out: undefined };
};
export type RequestName = keyof Requests;
export type Request = { readonly id: number; readonly name: RequestName; readonly input: unknown };
export type Answer =
  | { readonly id: number; readonly output: unknown }
  /** Unless it is final, nothing was written and the database is sound; final is final for the whole store. */
  | { readonly id: number; readonly error: string; readonly code: string; readonly isFinal: boolean };

/** The id of the answer to opening, and of what went wrong between requests. */
export const OPENING = 0;

export type WorkerOptions = {
  readonly file: string;
  readonly acceptLoss: boolean;
  readonly journalBytesMax: number;
  readonly walBytes: number;
};
