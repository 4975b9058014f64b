import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** `node bench/profile.ts FOLDER [ROWS]`: what each thread that was profiled spent its time on, by function, idle aside. */
type Node = { readonly id: number; readonly callFrame: Frame };
type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
type Profile = {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const [folder = '.', rows = '30'] = process.argv.slice(2);
for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile; // as V8 writes it
  console.log(`\n${file}\n${summaryOf(profile, Number(rows))}`);
}

function summaryOf({ nodes, samples, timeDeltas }: Profile, rowsMax: number): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const self = new Map<string, number>();
  let total = 0;
  for (const [i, id] of samples.entries()) {
    const micros = timeDeltas[i] ?? 0;
    const name = names.get(id) ?? '';
    self.set(name, (self.get(name) ?? 0) + micros);
    total += micros;
  }
  const idle = self.get('(idle)') ?? 0;
  self.delete('(idle)');
  const lines = [...self]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, rowsMax)
    .map(([name, micros]) => `${((micros * 100) / (total - idle)).toFixed(1).padStart(5)} %  ${name}`);
  const seconds = (total / 1e6).toFixed(1);
  return [`${seconds} s, idle ${((idle * 100) / total).toFixed(0)} %`, ...lines].join('\n');
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const place = url.replace(/^file:\/\/.*?\/(?=(?:src|bench|test|node_modules)\/)/, '');
  return place === '' ? functionName : `${functionName || '(anonymous)'} ${place}:${lineNumber + 1}`;
}
