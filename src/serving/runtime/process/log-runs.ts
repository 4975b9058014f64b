/** When a byte of an output was printed: everything from `at` on was, at `atMs` or later. */
export type Mark = { readonly at: number; readonly atMs: number };

/** What one run of a container has printed: where it is in its output, counted from the first byte of all. */
export type LogRun = {
  readonly from: number;
  readonly to: number | undefined; // undefined: it is the last
  readonly isOver: boolean;
  /** Of the whole output, to its end now. */
  readonly bytes: number;
  readonly marks: readonly Mark[];
};

type Output = { starts: number[]; marks: Mark[]; bytes: number; isOver: boolean };

/** Times are told to so much. */
const MARK_EVERY_MS = 100;
/** Then every second one of the older half goes: the older, the coarser. */
const MARKS_MAX = 2048;
const STARTS_MAX = 2; // the last and the one before
/** Outputs that are known; those that began first are forgotten. */
const OUTPUTS_MAX = 5000;

/** Which part of an output each run has printed, and when: in memory, since no Pod outlives its platform. */
export class LogRuns {
  readonly #outputs = new Map<string, Output>();

  begin(name: string): void {
    const output = this.#outputs.get(name) ?? { starts: [], marks: [], bytes: 0, isOver: false };
    this.#outputs.delete(name);
    this.#outputs.set(name, output);
    output.starts = [...output.starts, output.bytes].slice(-STARTS_MAX);
    output.isOver = false;
    const [oldest] = this.#outputs.keys();
    if (this.#outputs.size > OUTPUTS_MAX && oldest !== undefined) this.#outputs.delete(oldest);
  }

  wrote(name: string, bytes: number, atMs: number): void {
    const output = this.#outputs.get(name);
    if (output === undefined) return;
    const { marks, starts } = output;
    const last = marks.at(-1);
    const isFirst = output.bytes === starts.at(-1);
    if (last === undefined || isFirst || atMs - last.atMs >= MARK_EVERY_MS)
      marks.push({ at: output.bytes, atMs });
    if (marks.length > MARKS_MAX) output.marks = marks.filter((_, i) => i > marks.length / 2 || i % 2 === 0);
    output.bytes += bytes;
  }

  ended(name: string): void {
    const output = this.#outputs.get(name);
    if (output !== undefined) output.isOver = true;
  }

  /** Of one that has ended and has not begun again, the last is the one before, too (as Kubernetes). */
  of(name: string, isPrevious: boolean): LogRun | undefined {
    const output = this.#outputs.get(name);
    if (output === undefined) return undefined;
    const { starts, marks, bytes, isOver } = output;
    const isBefore = isPrevious && !isOver;
    const from = starts.at(isBefore ? -2 : -1);
    if (from === undefined || (isBefore && starts.length < STARTS_MAX)) return undefined;
    return { from, to: isBefore ? starts.at(-1) : undefined, isOver: isBefore || isOver, bytes, marks };
  }
}
