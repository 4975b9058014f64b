import type { NextTick } from './schedule.ts';

/** What a PingSource remembers: everything up to `seenMs` is settled, but for what is owed to the sink still. */
export type Progress = { readonly seenMs: number; readonly owed: readonly number[] };

/** Ticks that will not be made up for. `count` is as far as was counted: `isMore` when there are more. */
export type Missed = {
  readonly count: number;
  readonly isMore: boolean;
  readonly firstMs: number;
  readonly lastMs: number;
};

/** A tick that is noticed later than this counts as missed: nobody wants the alarm of this morning in the evening. */
export const LATE_MAX_MS = 60_000;
const COUNT_MAX = 1000;
const DAY_MS = 24 * 3_600_000;

/**
 * What has come due when the next tick was to be at `firstMs`: the ticks of the last minute, which are to be delivered, and
 * older ones, which are not; and when the one after them is.
 */
export function comeDue(
  next: NextTick,
  firstMs: number,
  nowMs: number,
): { readonly due: readonly number[]; readonly missed: Missed | undefined; readonly nextMs: number } {
  const after = (tick: number): number => next(tick) ?? Number.POSITIVE_INFINITY;
  const lateMs = nowMs - LATE_MAX_MS;
  let [tick, lastMs, count] = [firstMs, firstMs, 0];
  for (; tick < lateMs && count <= COUNT_MAX; tick = after(tick)) [lastMs, count] = [tick, count + 1];
  const isMore = count > COUNT_MAX;
  if (isMore) tick = after(lateMs - 1);
  const due: number[] = [];
  for (; tick <= nowMs; tick = after(tick)) due.push(tick);
  const missed = count === 0 ? undefined : { count: Math.min(count, COUNT_MAX), isMore, firstMs, lastMs };
  return { due, missed, nextMs: tick };
}

/** The same ticks are not made twice when a clock is set back; by more than a day, it was wrong before, and we begin anew. */
export function seenBy(seenMs: number, nowMs: number): number {
  return seenMs > nowMs + DAY_MS ? nowMs : seenMs;
}

/** `schedule` tells whether what is written was of the schedule that runs now. */
export function writeProgress({ seenMs, owed }: Progress, schedule: string): string {
  return JSON.stringify({ schedule, seenMs, owed });
}

/** Under another schedule nothing has been missed yet; what is owed stays owed. */
export function readProgress(text: string | undefined, schedule: string, nowMs: number): Progress {
  const stored: unknown = text === undefined ? {} : JSON.parse(text);
  const [seenMs, owed, before] = ['seenMs', 'owed', 'schedule'].map((name): unknown =>
    Reflect.get(Object(stored), name),
  );
  const isSame = before === schedule && typeof seenMs === 'number';
  return {
    seenMs: isSame ? seenBy(seenMs, nowMs) : nowMs,
    owed: Array.isArray(owed) ? owed.filter((due) => typeof due === 'number') : [],
  };
}
