import { parseGoDuration } from '../../base/duration.ts';

/** When revisions that no route leads to are removed (serving pkg/gc/config.go). */
export type GcConfig = {
  readonly sinceCreateMs: number | 'disabled';
  readonly sinceActiveMs: number | 'disabled';
  readonly minNonActive: number;
  readonly maxNonActive: number | 'disabled';
};

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
  const sinceCreateMs = durationOf(data['retain-since-create-time'], SHIPPED.sinceCreateMs);
  if (sinceCreateMs === undefined) return unparsed('retain-since-create-time', data);
  const sinceActiveMs = durationOf(data['retain-since-last-active-time'], SHIPPED.sinceActiveMs);
  if (sinceActiveMs === undefined) return unparsed('retain-since-last-active-time', data);
  const minNonActive = countOf(data['min-non-active-revisions'], SHIPPED.minNonActive);
  if (typeof minNonActive !== 'number') return unparsed('min-non-active-revisions', data);
  const maxNonActive = countOf(data['max-non-active-revisions'], SHIPPED.maxNonActive);
  if (maxNonActive === undefined) return unparsed('max-non-active-revisions', data);
  if (minNonActive < 0)
    return { fault: `min-non-active-revisions must be non-negative, was: ${minNonActive}` };
  if (maxNonActive !== 'disabled' && minNonActive > maxNonActive)
    return {
      fault: `min-non-active-revisions(${minNonActive}) must be <= max-non-active-revisions(${maxNonActive})`,
    };
  return { config: { sinceCreateMs, sinceActiveMs, minNonActive, maxNonActive } };
}

function durationOf(
  text: string | undefined,
  shipped: GcConfig['sinceCreateMs'],
): GcConfig['sinceCreateMs'] | undefined {
  if (text === undefined) return shipped;
  if (text.toLowerCase() === 'disabled') return 'disabled';
  const ms = parseGoDuration(text);
  return ms === undefined || ms < 0 ? undefined : ms;
}

function countOf(
  text: string | undefined,
  shipped: GcConfig['maxNonActive'],
): GcConfig['maxNonActive'] | undefined {
  if (text === undefined) return shipped;
  if (text.toLowerCase() === 'disabled') return 'disabled';
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function unparsed(key: string, data: Readonly<Record<string, string>>): { readonly fault: string } {
  const wanted = key.startsWith('retain')
    ? 'must be a non-negative duration or "disabled"'
    : 'must be a number';
  return { fault: `failed to parse ${key}: ${wanted}, was: ${JSON.stringify(data[key])}` };
}
