import { VarintReader, VarintWriter } from './varint.ts';

/** What is kept of an event that is unfinished, beside the event itself. */
export type Note = {
  /** Attempts that have ended, within the stage. */
  readonly attempts: number;
  readonly dueMs: number;
  /** Where in the stages topic its later stage is; undefined: it is still to be delivered. */
  readonly stageAt: number | undefined;
};

/** The first sign of what we wrote; metadata of a commit that begins otherwise is somebody else's. */
const FORMAT = 'm1:';
/** Kafka's default bound of a commit's metadata, in characters (`offset.metadata.max.bytes`). */
export const METADATA_CHARS_MAX = 4096;

/**
 * How far a group has come in one partition. Kafka keeps one offset for it: that of the first unfinished event. What is
 * finished beyond that goes along as the commit's metadata, with a note for each unfinished event that has one, so that
 * neither a crash nor a rebalance repeats what is finished or forgets an attempt.
 *   G1  `committed` never passes an unfinished event.
 *   G2  decode(encode) is the same progress.
 *   G3  with at most UNFINISHED_MAX unfinished events (NOTED_MAX where they have notes) the metadata fits.
 */
export class Progress {
  /** Unfinished, in ascending order: those that were brought along first, then each one as it is taken. */
  readonly #unfinished = new Map<number, Note | undefined>();
  /** Those that were brought along and have not been read again, in ascending order. */
  #unread: number[] = [];
  #next: number;

  constructor(offset: number, metadata: string | null = null) {
    this.#next = offset;
    const read =
      metadata?.startsWith(FORMAT) === true ? decode(offset, metadata.slice(FORMAT.length)) : undefined;
    if (read === undefined) return;
    for (const each of read.unfinished) this.#unfinished.set(each, read.notes.get(each));
    this.#unread = read.unfinished;
    this.#next = read.next;
  }

  /** Where Kafka's offset belongs. */
  get committed(): number {
    for (const offset of this.#unfinished.keys()) return offset;
    return this.#next;
  }

  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Finished beyond `committed`. */
  get finishedAbove(): number {
    return this.#next - this.committed - this.#unfinished.size;
  }

  /** The first offset that nothing is known of. */
  get next(): number {
    return this.#next;
  }

  /** The next offset worth reading. */
  get wanted(): number {
    return this.#unread[0] ?? this.#next;
  }

  /**
   * The event at `offset` was read: whether it is to be handled. Those before it that were expected are not in the topic
   * any more (it has removed them); `onMissing` hears how many.
   */
  take(offset: number, onMissing: (count: number) => void = () => undefined): boolean {
    const missing = this.#passOver(offset);
    if (missing > 0) onMissing(missing);
    if (offset < this.#next) {
      if (this.#unread[0] !== offset) return false;
      this.#unread.shift();
      return true;
    }
    this.#unfinished.set(offset, undefined);
    this.#next = offset + 1;
    return true;
  }

  /** Everything before `offset` is gone from the topic: returns how many of them were unfinished and not at hand. */
  skipTo(offset: number): number {
    const missing = this.#passOver(offset) + Math.max(0, offset - this.#next);
    this.#next = Math.max(this.#next, offset);
    return missing;
  }

  /** There are no events before `offset` but those that were taken. */
  passTo(offset: number): void {
    this.#passOver(offset);
    this.#next = Math.max(this.#next, offset);
  }

  finish(offset: number): void {
    this.#unfinished.delete(offset);
  }

  noteOf(offset: number): Note | undefined {
    return this.#unfinished.get(offset);
  }

  note(offset: number, note: Note): void {
    if (this.#unfinished.has(offset)) this.#unfinished.set(offset, note);
  }

  /** Unfinished ones that have a note. */
  get noted(): number {
    let count = 0;
    for (const note of this.#unfinished.values()) if (note !== undefined) count += 1;
    return count;
  }

  /** The first of the stages that notes refer to; undefined when none does. */
  get firstStage(): number | undefined {
    let first: number | undefined;
    for (const note of this.#unfinished.values())
      if (note?.stageAt !== undefined && note.stageAt < (first ?? Infinity)) first = note.stageAt;
    return first;
  }

  /** Runs of unfinished and finished offsets by turns, from `committed` on; then the notes. Empty when all is finished. */
  encode(): string {
    if (this.#unfinished.size === 0) return '';
    const runs: number[] = [];
    let [cursor, length] = [this.committed, 0];
    for (const offset of this.#unfinished.keys()) {
      if (offset > cursor) {
        runs.push(length, offset - cursor);
        length = 0;
      }
      length += 1;
      cursor = offset + 1;
    }
    runs.push(length, this.#next - cursor);
    const writer = new VarintWriter().add(runs.length);
    for (const run of runs) writer.add(run);
    this.#encodeNotes(writer);
    return FORMAT + writer.base64();
  }

  #encodeNotes(writer: VarintWriter): void {
    const notes = [...this.#unfinished.values()];
    const firstMs = Math.min(...notes.map((note) => note?.dueMs ?? Infinity));
    const firstStage = this.firstStage ?? 0;
    writer.add(Number.isFinite(firstMs) ? firstMs : 0).add(firstStage);
    let last = -1;
    for (const [index, note] of notes.entries()) {
      if (note === undefined) continue;
      const stage = note.stageAt === undefined ? 0 : note.stageAt - firstStage + 1;
      writer
        .add(index - last)
        .add(note.attempts)
        .add(note.dueMs - firstMs)
        .add(stage);
      last = index;
    }
    writer.add(0);
  }

  #passOver(offset: number): number {
    let count = 0;
    for (let first = this.#unread[0]; first !== undefined && first < offset; first = this.#unread[0]) {
      this.#unread.shift();
      this.#unfinished.delete(first);
      count += 1;
    }
    return count;
  }
}

type Decoded = {
  readonly unfinished: number[];
  readonly notes: ReadonlyMap<number, Note>;
  readonly next: number;
};

/** Undefined when somebody else wrote it: then nothing is known to be finished. */
function decode(offset: number, base64: string): Decoded | undefined {
  try {
    const reader = new VarintReader(base64);
    const unfinished: number[] = [];
    let next = offset;
    for (let runs = reader.next(); runs > 0; runs -= 2) {
      const length = reader.next();
      if (length > METADATA_CHARS_MAX) return undefined; // more than we ever have
      for (let left = length; left > 0; left -= 1) unfinished.push(next++);
      next += reader.next();
    }
    return { unfinished, next, notes: decodeNotes(reader, unfinished) };
  } catch {
    return undefined; // cut short
  }
}

function decodeNotes(reader: VarintReader, unfinished: readonly number[]): Map<number, Note> {
  const notes = new Map<number, Note>();
  const [firstMs, firstStage] = [reader.next(), reader.next()];
  for (let index = -1, delta = reader.next(); delta > 0; delta = reader.next()) {
    index += delta;
    const [attempts, dueMs, stage] = [reader.next(), firstMs + reader.next(), reader.next()];
    const stageAt = stage === 0 ? undefined : firstStage + stage - 1;
    notes.set(unfinished[index] ?? -1, { attempts, dueMs, stageAt });
  }
  return notes;
}
