import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Folders } from './bundles.ts';
import type { Spread, Table } from './rounds.ts';

export type BenchOptions = {
  readonly rounds: number;
  readonly seconds: number; // of one side in one round
  readonly folders: Folders;
  /** Where CPU profiles go; undefined: none are taken. */
  readonly profileFolder: string | undefined;
};
/** Measures one thing; an empty table means that this machine lacks what it needs. */
export type Bench = (options: BenchOptions) => Promise<Table>;

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
const INTRODUCTION = `# Results

Written by \`npm run bench\`; README.md says what is measured and how. Ratios count: absolute figures are of one machine on one day.
A load average well above 3 says that others had the cores too, and an fdatasync above 1 ms that they had the disk: then even ratios say little.
`;
/** From so many samples on a p99 says something. */
const P99_FROM = 100;

export function markdownOf(name: string, table: Table): string {
  const hasP99 = Object.values(table).some(({ samples }) => samples >= P99_FROM);
  const columns = hasP99 ? ['min', 'median', 'p99', 'max'] : ['min', 'median', 'max'];
  const rows = Object.entries(table).map(
    ([what, spread]) => `| ${[what, ...cellsOf(spread, hasP99)].join(' | ')} |`,
  );
  const head = `| | ${columns.join(' | ')} |\n|---|${columns.map(() => '---').join('|')}|`;
  return `## ${name}\n\n${head}\n${rows.join('\n')}\n`;
}

function cellsOf({ samples, min, median, p99, max }: Spread, hasP99: boolean): string[] {
  const tail = samples >= P99_FROM ? digits(p99) : '';
  return hasP99
    ? [digits(min), digits(median), tail, digits(max)]
    : [digits(min), digits(median), digits(max)];
}

function digits(value: number): string {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** Each bench has one section, in the order of `names`; a run replaces those that it measured. */
export function keepResult(
  names: readonly string[],
  name: string,
  table: Table,
  { rounds, seconds }: Pick<BenchOptions, 'rounds' | 'seconds'>,
): void {
  const sections = new Map(
    readFileSync(RESULTS, 'utf8')
      .split(/^(?=## )/m)
      .slice(1)
      .map((section) => [/^## (\S+)/.exec(section)?.[1] ?? '', section.trimEnd()]),
  );
  const memory = Math.round(totalmem() / 2 ** 30);
  const day = new Date().toISOString().slice(0, 10);
  const load = loadavg()[0]?.toFixed(1);
  const machine = `${day}, ${cpus().length} cores, ${memory} GiB, Node ${process.version}, ${rounds} rounds of ${seconds} s, load average ${load} at the end.`;
  sections.set(name, `${markdownOf(name, table)}\n${machine}`);
  const ordered = names.map((each) => sections.get(each)).filter((section) => section !== undefined);
  writeFileSync(RESULTS, `${[INTRODUCTION.trimEnd(), ...ordered].join('\n\n')}\n`);
}
