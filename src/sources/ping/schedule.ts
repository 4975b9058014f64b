import { Cron } from 'croner';
import { CRON_BOUNDS, type CronField, type CronSchedule } from '../../apis/sources/ping-source/cron.ts';

/** When a schedule comes true next, after a moment; undefined: never again. */
export type NextTick = (afterMs: number) => number | undefined;

/**
 * When a schedule comes true, by the calendar of its time zone. Where clocks are set back, fixed times of day come true
 * once, the first time, and what repeats (a star, a step) goes on repeating. Where they are set forward, fixed times that
 * are left out come true together, once, as the gap ends; what repeats just goes on.
 *
 * A reader is made when it is needed and not kept: it holds 100 KB.
 */
export function ticksOf({ fields, zone }: CronSchedule): NextTick {
  const pattern = fields.map((field, i) => textOf(field, CRON_BOUNDS[i])).join(' ');
  const options = { paused: true, fixedTimeRule: 'no-wildcard' } as const;
  const cron = new Cron(pattern, zone === undefined ? options : { ...options, timezone: zone });
  return (afterMs) => cron.nextRun(new Date(afterMs))?.getTime();
}

function textOf({ isStar, steps, values }: CronField, bounds = { min: 0, max: 0 }): string {
  if (isStar) return '*';
  const size = bounds.max - bounds.min + 1;
  const repeats = steps.map((step) => `*/${Math.min(step, size)}`); // a longer one the library refuses
  return [...repeats, ...values].join(',');
}
