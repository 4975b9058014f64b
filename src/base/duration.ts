/**
 * Reads an ISO 8601 duration of days, hours, minutes and seconds (`PT0.2S`, `P1DT12H`), as `delivery` fields carry them.
 * Years and months have no fixed length, weeks are not in Knative's grammar, and a negative wait makes no sense: all are
 * refused, as is anything else. Returns milliseconds, or undefined when the text is no such duration.
 */
export function parseIsoDuration(text: string): number | undefined {
  const match = /^P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text);
  if (match === null || text === 'P') return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  const totalMs =
    ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1000;
  return totalMs <= Number.MAX_SAFE_INTEGER ? Math.round(totalMs) : undefined;
}

const GO_UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Reads a Go duration (`60s`, `1m30s`, `1.5h`), as Knative's ConfigMaps and annotations carry them; milliseconds. */
export function parseGoDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (/^[+-]0$/.test(text)) return 0;
  if (!/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (GO_UNITS_MS[unit ?? ''] ?? Number.NaN);
  }
  return text.startsWith('-') ? -totalMs : totalMs;
}

/** What Go says of a text that is no duration (time.ParseDuration). */
export function goDurationFault(text: string): string {
  const quoted = JSON.stringify(text);
  let rest = text.replace(/^[+-]/, '');
  while (rest !== '') {
    const [amount] = /^(?:\d+\.?\d*|\.\d+)/.exec(rest) ?? [];
    if (amount === undefined) break;
    const [unit = ''] = /^[^.\d]*/.exec(rest.slice(amount.length)) ?? [];
    if (unit === '') return `time: missing unit in duration ${quoted}`;
    if (GO_UNITS_MS[unit] === undefined)
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
    rest = rest.slice(amount.length + unit.length);
  }
  return `time: invalid duration ${quoted}`;
}

/** A whole number of milliseconds as Go prints a duration: `0s`, `1.5s`, `6s`, `1h0m0s`. */
export function goDuration(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const total = Math.abs(ms);
  if (total > 0 && total < 1000) return `${sign}${total}ms`;
  const [hours, minutes] = [Math.floor(total / 3_600_000), Math.floor((total % 3_600_000) / 60_000)];
  const seconds = `${(total % 60_000) / 1000}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : sign + seconds;
}
