import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What one run of one side came to. */
export type Measured = { readonly perSecond: number; readonly cpuMicros?: number | undefined };
export type Side = () => Promise<Measured>;

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0] ?? Number.NaN, median: quantile(sorted, 0.5), max: sorted.at(-1) ?? Number.NaN };
}

export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Runs two sides in turn, each first in every other round; the ratio is ours over the baseline's, round by round. */
export async function compare(rounds: number, ours: Side, baseline: Side): Promise<Record<string, Spread>> {
  const ratios: number[] = [];
  const own: number[] = [];
  const other: number[] = [];
  const cpu: number[] = [];
  const syncs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0 ? await ours() : await baseline();
    const second = round % 2 === 0 ? await baseline() : await ours();
    const [mine, theirs] = round % 2 === 0 ? [first, second] : [second, first];
    ratios.push(mine.perSecond / theirs.perSecond);
    own.push(mine.perSecond);
    other.push(theirs.perSecond);
    if (mine.cpuMicros !== undefined) cpu.push(mine.cpuMicros);
    syncs.push(fdatasyncMs());
  }
  return {
    ratio: spreadOf(ratios),
    'ours /s': spreadOf(own),
    'baseline /s': spreadOf(other),
    ...(cpu.length > 0 && { 'our CPU µs each': spreadOf(cpu) }),
    'fdatasync ms': spreadOf(syncs),
  };
}

/** The p50 of an fdatasync after 4 KiB, on the disk that the benches use. */
export function fdatasyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sync-'));
  const handle = openSync(join(folder, 'file'), 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let i = 0; i < 50; i += 1) {
    writeSync(handle, block);
    const startMs = performance.now();
    fdatasyncSync(handle);
    times.push(performance.now() - startMs);
  }
  closeSync(handle);
  rmSync(folder, { recursive: true });
  return quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  );
}
