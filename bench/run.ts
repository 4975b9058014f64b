import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { durablePath, fromZero, gateway, type Bench } from './hot-path.ts';
import type { Spread } from './rounds.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  'durable-64': durablePath(64),
  'durable-256': durablePath(256),
  gateway: gateway(64),
  'gateway-latency': gateway(1),
  'from-zero': fromZero,
};

const RESULTS = join(import.meta.dirname, 'RESULTS.md');
const WORKER = `
import { CloudEvent } from 'cloudevents';
export function handle(context, event) {
  return { port: Number(process.env.PORT), atMs: performance.timeOrigin + performance.now() };
}
export const keep = CloudEvent;
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '11' }, seconds: { type: 'string', default: '2' } },
});
const folder = mkdtempSync(join(tmpdir(), 'millrace-worker-'));
writeFileSync(join(folder, 'index.mjs'), WORKER);
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
for (const name of names) {
  const bench = BENCHES[name];
  if (bench === undefined)
    throw new Error(`there is no bench ${name}; there are ${Object.keys(BENCHES).join(', ')}`);
  const result = await bench({ rounds: Number(values.rounds), seconds: Number(values.seconds), folder });
  const section = table(name, result);
  console.log(section);
  keep(name, section);
}
rmSync(folder, { recursive: true });

function table(name: string, result: Readonly<Record<string, Spread>>): string {
  const digits = (value: number): string => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));
  const rows = Object.entries(result).map(
    ([what, { min, median, max }]) => `| ${what} | ${digits(min)} | ${digits(median)} | ${digits(max)} |`,
  );
  return `## ${name}\n\n| | min | median | max |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** Each bench has one section; a run replaces those that it measured. */
function keep(name: string, section: string): void {
  const before = readFileSync(RESULTS, 'utf8');
  const machine = `Measured on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${values.rounds} rounds of ${values.seconds} s.`;
  const parts = before.split(/^(?=## )/m);
  const others = parts.slice(1).filter((part) => !part.startsWith(`## ${name}\n`));
  const ordered = [...others, `${section}\n${machine}\n\n`].toSorted();
  writeFileSync(
    RESULTS,
    `# Results\n\nRatios count; absolute figures are of one machine on one day (README.md).\n\n${ordered.join('').trimEnd()}\n`,
  );
}
