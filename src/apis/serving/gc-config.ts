import { goDurationFault, parseGoDuration } from '../../base/duration.ts';
import { parseInt64, strconvFault } from '../autoscaling/go-numbers.ts';

/** When revisions that no route leads to are removed (serving pkg/gc/config.go). */
export type GcConfig = {
  readonly sinceCreateMs: number | 'disabled';
  readonly sinceActiveMs: number | 'disabled';
  readonly minNonActive: number;
  readonly maxNonActive: number | 'disabled';
};

type Read = { readonly value: GcConfig['maxNonActive'] } | { readonly fault: string };

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const SHIPPED: GcConfig = {
  sinceCreateMs: 48 * 3_600_000,
  sinceActiveMs: 15 * 3_600_000,
  minNonActive: 20,
  maxNonActive: 1000,
};

/** ConfigMap config-gc; `fault` says in upstream's words what is wrong with it. */
export function parseGcConfig(
  data: Readonly<Record<string, string>> = {},
): { readonly config: GcConfig } | { readonly fault: string } {
  const minText = data['min-non-active-revisions'];
  const minParsed = minText === undefined ? undefined : parseInt64(minText);
  if (minText !== undefined && minParsed?.kind !== 'value') {
    const why = strconvFault('ParseInt', minText, minParsed?.kind ?? 'syntax');
    return { fault: `failed to parse data: failed to parse "min-non-active-revisions": ${why}` };
  }
  const minNonActive = minParsed?.kind === 'value' ? minParsed.value : SHIPPED.minNonActive;
  const read = {
    sinceCreateMs: durationOf(data, 'retain-since-create-time', SHIPPED.sinceCreateMs),
    sinceActiveMs: durationOf(data, 'retain-since-last-active-time', SHIPPED.sinceActiveMs),
    maxNonActive: countOf(data, 'max-non-active-revisions', SHIPPED.maxNonActive),
  };
  for (const each of Object.values(read)) if ('fault' in each) return each;
  const value = (each: Read): GcConfig['maxNonActive'] => ('fault' in each ? 'disabled' : each.value);
  const config: GcConfig = {
    sinceCreateMs: value(read.sinceCreateMs),
    sinceActiveMs: value(read.sinceActiveMs),
    minNonActive,
    maxNonActive: value(read.maxNonActive),
  };
  const fault = boundsFault(config);
  return fault === undefined ? { config } : { fault };
}

function boundsFault({ minNonActive: min, maxNonActive: max }: GcConfig): string | undefined {
  if (min < 0) return `min-non-active-revisions must be non-negative, was: ${min}`;
  return max !== 'disabled' && min > max
    ? `min-non-active-revisions(${min}) must be <= max-non-active-revisions(${max})`
    : undefined;
}

/** Nothing, or an empty text, leaves what is shipped. */
function durationOf(
  data: Readonly<Record<string, string>>,
  key: string,
  shipped: GcConfig['sinceCreateMs'],
): Read {
  const text = data[key] ?? '';
  if (text === '') return { value: shipped };
  if (text.toLowerCase() === 'disabled') return { value: 'disabled' };
  const ms = parseGoDuration(text);
  if (ms === undefined) return { fault: `failed to parse ${key}: ${goDurationFault(text)}` };
  return ms < 0 ? { fault: `failed to parse ${key}: must be non-negative` } : { value: ms };
}

function countOf(
  data: Readonly<Record<string, string>>,
  key: string,
  shipped: GcConfig['maxNonActive'],
): Read {
  const text = data[key] ?? '';
  if (text === '') return { value: shipped };
  if (text.toLowerCase() === 'disabled') return { value: 'disabled' };
  const why = (reason: string): Read => ({ fault: `failed to parse ${key}: ${reason}` });
  if (!/^\d+$/.test(text)) return why(strconvFault('ParseUint', text, 'syntax'));
  const exact = BigInt(text);
  if (exact > UINT64_MAX) return why(strconvFault('ParseUint', text, 'range'));
  return exact > INT64_MAX ? why(`value should be lower than ${INT64_MAX}`) : { value: Number(exact) };
}
