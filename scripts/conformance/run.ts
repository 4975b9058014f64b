import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Installation, REPOSITORY } from './installation.ts';
import { CONFORMANCE, SUITES, type Suite } from './suites.ts';

const BUILD = fileURLToPath(new URL('./build.sh', import.meta.url));
/** go test's own bound of a suite; it then names the tests that it was in. */
const SUITE_MAX = '40m';
const RESULT = /^--- (PASS|FAIL|SKIP): (\S+)/;

const USAGE = `Usage: npm run conformance [-- SUITE… [--run REGEX] [--parallel N]]

Runs Knative Serving's own tests, built from its Go module, against a platform that is started for them.

  SUITE           of ${Object.keys(SUITES).join(', ')}; or all;
                  without: ${CONFORMANCE.join(', ')}
  --run REGEX     only tests of such a name, as of go test
  --parallel N    tests at a time (as many as there are cores)
`;

type Result = 'PASS' | 'FAIL' | 'SKIP';
type Asked = {
  readonly suites: readonly Suite[];
  readonly run: string | undefined;
  readonly parallel: string | undefined;
};

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = read();
  if (typeof asked === 'number') return asked;
  const packages = asked.suites.map((suite) => suite.package);
  const built = execFileSync(BUILD, packages, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-conformance-'));
  const installation = await Installation.start(folder, built);
  const results: Result[] = [];
  let isWhole = true;
  try {
    for (const suite of asked.suites) {
      const restore = installation.set(suite.settings);
      isWhole = (await runSuite(suite, asked, { installation, built, folder, results })) && isWhole;
      restore();
    }
  } finally {
    await installation.stop();
  }
  const count = (wanted: Result): number => results.filter((result) => result === wanted).length;
  process.stdout.write(`\n${count('PASS')} passed, ${count('FAIL')} failed, ${count('SKIP')} skipped\n`);
  if (isWhole) rmSync(folder, { recursive: true, force: true });
  else process.stdout.write(`what was printed is in ${folder}\n`);
  return isWhole ? 0 : 1;
}

/** What is to run, or the exit code. */
function read(): Asked | number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { run: { type: 'string' }, parallel: { type: 'string' }, help: { type: 'boolean' } },
  });
  const names = positionals.includes('all') ? Object.keys(SUITES) : positionals;
  const suites: Suite[] = [];
  for (const name of names.length === 0 ? CONFORMANCE : names) {
    const suite = SUITES[name];
    if (suite === undefined) {
      process.stderr.write(`there is no suite ${name}\n\n${USAGE}`);
      return 2;
    }
    suites.push(suite);
  }
  if (values.help !== true) return { suites, run: values.run, parallel: values.parallel };
  process.stdout.write(USAGE);
  return 0;
}

type Run = {
  readonly installation: Installation;
  readonly built: string;
  readonly folder: string;
  /** Of every test by now; added to. */
  readonly results: Result[];
};

/** Whether it ran to its end, and nothing failed. */
async function runSuite(suite: Suite, { run, parallel }: Asked, to: Run): Promise<boolean> {
  process.stdout.write(`\n${suite.package}\n`);
  const name = suite.package.replaceAll('/', '_');
  const { kubeconfig, env } = to.installation;
  const args = [
    '-test.v',
    `-test.timeout=${SUITE_MAX}`,
    ...(run === undefined ? [] : [`-test.run=${run}`]),
    ...(parallel === undefined ? [] : [`-test.parallel=${parallel}`]),
    `-kubeconfig=${kubeconfig}`,
    `-dockerrepo=${REPOSITORY}`,
    '-tag=latest',
    '-resolvabledomain=false',
    '-ingressendpoint=127.0.0.1',
    '-disable-logstream',
    '-enable-alpha',
    '-enable-beta',
  ];
  const child = spawn(join(to.built, `${name}.test`), args, {
    env,
    cwd: join(to.built, 'source', suite.package),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const log = createWriteStream(join(to.folder, `${name}.log`));
  for await (const line of createInterface({ input: child.stdout })) {
    log.write(`${line}\n`);
    const [, result, test] = RESULT.exec(line) ?? [];
    if (result === undefined) continue;
    to.results.push(result as Result);
    process.stdout.write(`  ${result.toLowerCase()}  ${test}\n`);
  }
  await ended;
  return child.exitCode === 0;
}
