import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { admissionCases, updateCases, type UpdateCase } from './corpus/admissions.ts';
import { configMapCases } from './corpus/config-maps.ts';
import { days } from './corpus/days.ts';
import { hostQuestions, rollOuts } from './corpus/routes.ts';
import { trafficQuestions } from './corpus/traffic.ts';

/**
 * Makes test/fixtures/upstream/: what Knative Serving's own code answers to each question of the corpus. The corpus is the
 * same each time, so that a changed file is a changed answer, or a changed question.
 *
 *     node scripts/upstream/make-fixtures.ts
 */
const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const FIXTURES = fileURLToPath(new URL('../../test/fixtures/upstream/', import.meta.url));
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
const SEED = 20_241_124;
const MIXED = 2000;
const CHANGED = 600;
const DAYS = 400;
const PAIRS = 150;
const ROLL_OUTS = 200;
const HOSTS = 300;
const TRAFFIC = 400;

const temporary = mkdtempSync(join(tmpdir(), 'upstream-'));
const program = join(temporary, 'upstream');
try {
  execFileSync('go', ['build', '-trimpath', '-o', program, '.'], { cwd: FOLDER, stdio: 'inherit' });
  write('admissions', 'admit', admissionCases(SEED, MIXED));
  write('config-maps', 'configMap', configMapCases(SEED, PAIRS));
  write('days', 'scale', days(SEED, DAYS));
  write('roll-outs', 'rollout', rollOuts(SEED, ROLL_OUTS));
  write('hosts', 'hosts', hostQuestions(SEED, HOSTS));
  write('traffic', 'traffic', trafficQuestions(SEED, TRAFFIC));
  write('updates', 'admit', stored(updateCases(SEED, CHANGED)));
} finally {
  rmSync(temporary, { recursive: true });
}

function write(name: string, ask: string, cases: readonly object[]): void {
  const answers = answersTo(ask, cases);
  const lines = cases.map((each, i) => JSON.stringify({ ...each, answer: answers[i] }));
  const packed = gzipSync(`${lines.join('\n')}\n`, { level: 9 });
  writeFileSync(join(FIXTURES, `${name}.jsonl.gz`), packed);
  console.log(`${name}: ${cases.length} cases, ${packed.length} bytes`);
}

/** Each change, of what its object was stored as. */
function stored(cases: readonly UpdateCase[]): readonly object[] {
  const answers = answersTo('admit', cases) as readonly { readonly object?: object }[];
  return cases.map(({ kind, configs, change }, i) => {
    const old = answers[i]?.object ?? {};
    const object = structuredClone(old);
    change(object);
    return { kind, object, old, ...(configs && { configs }) };
  });
}

/** Where a pointer points to is another place each time. */
function steady(text: string): string {
  return text.replaceAll(/0x[0-9a-f]{6,}/g, '0x…');
}

function answersTo(ask: string, cases: readonly object[]): readonly unknown[] {
  const input = cases.map((each) => `${JSON.stringify({ ask, ...each })}\n`).join('');
  const { status, stdout, stderr } = spawnSync(program, {
    input,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`no answers to ${ask}: ${stderr}`);
  return steady(stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}
