import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const REPOSITORY = join(import.meta.dirname, '../..');
const VERSION = /^millrace \d+\.\d+\.\d+ \(Node v24\.\d+\.\d+, /;

/** The installed program must find its own Node 24, so the one that runs these tests is kept off its PATH. */
const env = {
  ...process.env,
  PATH: (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => !folder.startsWith(REPOSITORY))
    .join(':'),
};

/** Both majors of npm that people have: 10 comes with Node 20, 11 with Node 24. */
const npm = (major: number, args: readonly string[], cwd: string): Promise<unknown> =>
  run('npx', ['-y', `npm@${major}`, ...args, '--no-audit', '--no-fund'], { cwd, env });

let folder: string;
let archive: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-install-'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: REPOSITORY, env });
  archive = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? 'nothing was packed');
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each([10, 11])('installed by npm %d', { timeout: 240_000 }, (major) => {
  it('runs as a dependency', async () => {
    const project = mkdtempSync(join(folder, 'dependency-'));
    writeFileSync(join(project, 'package.json'), '{"name":"dependent","version":"1.0.0"}');
    await npm(major, ['install', archive], project);
    const { stdout } = await run(join(project, 'node_modules/.bin/millrace'), ['version'], { env });
    expect(stdout).toMatch(VERSION);
  });

  it('runs when installed globally', async () => {
    const prefix = mkdtempSync(join(folder, 'global-'));
    await npm(major, ['install', '--global', '--prefix', prefix, archive], folder);
    const { stdout } = await run(join(prefix, 'bin/millrace'), ['version'], { env });
    expect(stdout).toMatch(VERSION);
  });
});

it('runs by npx from the root of a checkout', async () => {
  const { stdout } = await run('npx', ['--no', 'millrace', 'version'], { cwd: REPOSITORY, env });
  expect(stdout).toMatch(VERSION);
});
