/**
 * The cron language of upstream's parser (robfig/cron v3 with optional seconds and descriptors), and its words for what is
 * no schedule. It says which times are meant, not when the next of them is: that takes a calendar with time zones.
 */
export type CronSchedule = {
  /** second, minute, hour, day of month, month, day of week. */
  readonly fields: readonly CronField[];
  /** An IANA name; undefined: the time zone of the platform. */
  readonly zone: string | undefined;
};

/** What is listed in one field, as it was meant: a step from the start repeats, whatever the clock does at DST. */
export type CronField = {
  readonly isStar: boolean; // all of it: then it does not restrict the days
  readonly steps: readonly number[]; // */n
  readonly values: readonly number[];
};

export type ParsedCron =
  | { readonly kind: 'schedule'; readonly schedule: CronSchedule }
  | { readonly kind: 'fault'; readonly about: 'schedule' | 'timezone'; readonly message: string };

type Bounds = { readonly min: number; readonly max: number; readonly names?: readonly string[] };

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
export const CRON_BOUNDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];
const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 0 1 1 *',
  '@annually': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 0',
  '@daily': '0 0 0 * * *',
  '@midnight': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
};
const DAYS_IN_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

class Fault extends Error {}

/** Reads `[CRON_TZ=zone] schedule`, or the schedule with the zone beside it. */
export function parseCron(schedule: string, timezone = ''): ParsedCron {
  const written = timezone === '' ? schedule : `CRON_TZ=${timezone} ${schedule}`;
  if (written === '') return { kind: 'fault', about: 'schedule', message: 'empty spec string' };
  const [, zone, rest = ''] = /^(?:CRON_)?TZ=([^ ]*)(.*)$/s.exec(written) ?? [undefined, undefined, written];
  if (zone !== undefined && !isZone(zone)) {
    const message = `provided bad location ${zone}: unknown time zone ${zone}`;
    return { kind: 'fault', about: 'timezone', message };
  }
  try {
    return { kind: 'schedule', schedule: { fields: fieldsOf(rest.trim()), zone: zoneNamed(zone) } };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { kind: 'fault', about: 'schedule', message: error.message };
  }
}

/** False for what no calendar has: 31 February. */
export function comesTrue({
  fields: [seconds, minutes, hours, days, months, weekdays],
}: CronSchedule): boolean {
  const [dayOfMonth, monthOfYear] = [days, months].map((field, i) => valuesOf(field, CRON_BOUNDS[3 + i]));
  if (![seconds, minutes, hours, months, weekdays].every(isSomething)) return false;
  if (weekdays?.isStar === false && days?.isStar === false) return true; // then either of them is enough
  const earliest = Math.min(...(dayOfMonth ?? []));
  return (monthOfYear ?? []).some((month) => earliest <= (DAYS_IN_MONTH[month - 1] ?? 0));
}

const isSomething = (field: CronField | undefined): boolean =>
  field !== undefined && (field.isStar || field.steps.length + field.values.length > 0);

function valuesOf(field: CronField | undefined, bounds: Bounds | undefined): number[] {
  if (field === undefined || bounds === undefined) return [];
  const { min, max } = bounds;
  const steps = field.isStar ? [1] : field.steps;
  return [...field.values, ...steps.flatMap((step) => range(min, max, step))];
}

function zoneNamed(zone: string | undefined): string | undefined {
  return zone === 'Local' ? undefined : zone === '' ? 'UTC' : zone; // as Go's LoadLocation has it
}

function isZone(zone: string): boolean {
  if (zone === '' || zone === 'Local') return true;
  if (!/^[A-Za-z]/.test(zone)) return false; // an offset is no location
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function fieldsOf(text: string): CronField[] {
  if (text.startsWith('@')) {
    const standsFor = Object.hasOwn(DESCRIPTORS, text) ? DESCRIPTORS[text] : undefined;
    if (standsFor === undefined) throw new Fault(`unrecognized descriptor: ${text}`);
    return fieldsOf(standsFor);
  }
  const written = text.split(/\s+/).filter((field) => field !== '');
  if (written.length < 5 || written.length > 6)
    throw new Fault(`expected 5 to 6 fields, found ${written.length}: [${written.join(' ')}]`);
  const fields = written.length === 5 ? ['0', ...written] : written;
  return CRON_BOUNDS.map((bounds, i) => fieldOf(fields[i] ?? '', bounds));
}

function fieldOf(text: string, bounds: Bounds): CronField {
  const items = text
    .split(',')
    .filter((item) => item !== '')
    .map((item) => itemOf(item, bounds));
  return {
    isStar: items.some(({ isStar }) => isStar),
    steps: items.flatMap(({ steps }) => steps),
    values: [...new Set(items.flatMap(({ values }) => values))].toSorted((a, b) => a - b),
  };
}

// A star, a star with a step, n, n-m, n-m/s, and n/s, which goes to the end.
function itemOf(item: string, bounds: Bounds): CronField {
  const [span = '', stepText, ...tooMuch] = item.split('/');
  const [low = '', high, ...more] = span.split('-');
  const isAll = low === '*' || low === '?';
  if (!isAll && more.length > 0) throw new Fault(`too many hyphens: ${item}`);
  if (tooMuch.length > 0) throw new Fault(`too many slashes: ${item}`);
  const start = isAll ? bounds.min : valueOf(low, bounds);
  const named = isAll ? bounds.max : high === undefined ? start : valueOf(high, bounds);
  const step = stepText === undefined ? 1 : integer(stepText);
  const end = stepText !== undefined && high === undefined ? bounds.max : named;
  refuseBadRange(item, start, end, bounds);
  if (step === 0) throw new Fault(`step of range should be a positive number: ${item}`);
  if (!isAll) return { isStar: false, steps: [], values: range(start, end, step) };
  return step === 1 ? { isStar: true, steps: [], values: [] } : { isStar: false, steps: [step], values: [] };
}

function refuseBadRange(item: string, start: number, end: number, { min, max }: Bounds): void {
  if (start < min) throw new Fault(`beginning of range (${start}) below minimum (${min}): ${item}`);
  if (end > max) throw new Fault(`end of range (${end}) above maximum (${max}): ${item}`);
  if (start > end) throw new Fault(`beginning of range (${start}) beyond end of range (${end}): ${item}`);
}

function valueOf(text: string, { min, names = [] }: Bounds): number {
  const named = names.indexOf(text.toLowerCase());
  return named >= 0 ? named + min : integer(text);
}

function integer(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    const quoted = JSON.stringify(text);
    throw new Fault(`failed to parse int from ${text}: strconv.Atoi: parsing ${quoted}: invalid syntax`);
  }
  const value = Number(text);
  if (value < 0) throw new Fault(`negative number (${value}) not allowed: ${text}`);
  return value;
}

function range(start: number, end: number, step: number): number[] {
  return Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, i) => start + i * step);
}
