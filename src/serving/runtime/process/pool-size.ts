/**
 * How many warm runners wait, by recent wakes: as many as were taken within any two seconds, which is about what it takes
 * to replace them, and a quarter more for what grows. A burst counts in full for ten minutes and half as much in each ten
 * after those, so a pool gives its memory back in steps, and at rest is at its minimum.
 */
export type PoolBounds = {
  readonly min: number;
  readonly max: number;
};

/** What is remembered of wakes; never more than `MINUTES` entries and `max` times. */
export type Wakes = {
  /** When runners were taken within the last span, oldest first. */
  readonly recentMs: readonly number[];
  /** The largest burst of each minute that had one, oldest first. */
  readonly peaks: readonly { readonly minute: number; readonly burst: number }[];
};

export const NO_WAKES: Wakes = { recentMs: [], peaks: [] };
/** What a warm runner is counted for: 22 to 28 MB (PSS), measured. */
export const RUNNER_BYTES = 28 * 1024 * 1024;

const SPAN_MS = 2000;
const MINUTE_MS = 60_000;
const FULL_MINUTES = 10;
const HALVED_EACH_MINUTES = 10;
const MINUTES = 120;
const GROWTH = 1.25;

/** The wakes with one more. */
export function withWake({ recentMs, peaks }: Wakes, nowMs: number, { max }: PoolBounds): Wakes {
  const recent = [...recentMs.filter((atMs) => atMs > nowMs - SPAN_MS && atMs <= nowMs), nowMs].slice(
    -Math.max(1, max),
  );
  const minute = Math.floor(nowMs / MINUTE_MS);
  const burst = Math.max(recent.length, peaks.find((peak) => peak.minute === minute)?.burst ?? 0);
  const others = peaks.filter((peak) => peak.minute < minute && peak.minute > minute - MINUTES);
  return { recentMs: recent, peaks: [...others, { minute, burst }] };
}

/** How many runners are to wait at that time. */
export function poolSize({ peaks }: Wakes, nowMs: number, { min, max }: PoolBounds): number {
  const now = nowMs / MINUTE_MS;
  const wanted = peaks.reduce((most, { minute, burst }) => Math.max(most, burst * weightOf(now - minute)), 0);
  return Math.max(Math.min(min, max), Math.min(max, Math.ceil(wanted * GROWTH)));
}

/** How many of them a memory bound has room for. */
export function runnersIn(bytes: number): number {
  return Math.floor(bytes / RUNNER_BYTES);
}

/** Of a burst that was so many minutes ago. */
function weightOf(minutes: number): number {
  if (minutes < 0 || minutes >= MINUTES) return 0; // or the clock was set back
  return 2 ** -Math.max(0, Math.floor((minutes - FULL_MINUTES) / HALVED_EACH_MINUTES) + 1);
}
