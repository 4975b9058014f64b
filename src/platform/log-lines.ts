import type { Mark } from '../serving/runtime/process/log-runs.ts';

const NEWLINE = 10;

export function lastLines(text: Buffer, count: number | undefined): Buffer {
  if (count === undefined) return text;
  let at = text.length - 1; // the last byte ends the last line
  for (let lines = 0; lines < count && at > 0; lines += 1) at = text.lastIndexOf(NEWLINE, at - 1);
  return count === 0 ? Buffer.alloc(0) : text.subarray(at <= 0 ? 0 : at + 1);
}

/** The lines of `text`, whose first byte is number `from` of its output, that were printed at `sinceMs` or later. */
export function since(text: Buffer, from: number, marks: readonly Mark[], sinceMs: number): Buffer {
  const first = marks.find(({ atMs }) => atMs >= sinceMs);
  if (first === undefined) return Buffer.alloc(0);
  const at = first.at - from;
  if (at <= 0) return text;
  // A line that had begun before is not told by half.
  const isWhole = text[at - 1] === NEWLINE;
  const next = isWhole ? at : text.indexOf(NEWLINE, at) + 1;
  return isWhole || next > 0 ? text.subarray(next) : Buffer.alloc(0);
}

/** Puts before each line when it was printed, across the chunks that lines come in. */
export class LineTimes {
  #isAtStart = true;

  stamp(chunk: Buffer, timeAt: (index: number) => number): Buffer {
    const parts: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline === -1 ? chunk.length : newline + 1;
      if (this.#isAtStart) parts.push(Buffer.from(`${rfc3339Nano(timeAt(at))} `));
      parts.push(chunk.subarray(at, end));
      this.#isAtStart = newline !== -1;
      at = end;
    }
    return Buffer.concat(parts);
  }

  /** Reads times off the marks of an output, for a text that begins with its byte number `from`. */
  reader(from: number, marks: readonly Mark[]): (index: number) => number {
    let next = 0;
    return (index) => {
      while (next + 1 < marks.length && (marks[next + 1]?.at ?? 0) <= from + index) next += 1;
      return marks[next]?.atMs ?? 0;
    };
  }
}

/** As kubelet writes times, to what is known of them. */
const rfc3339Nano = (ms: number): string => new Date(ms).toISOString().replace('Z', '000000Z');
