import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { idOf } from '../../kit/events.ts';
import { seededRandom } from '../../kit/journal.ts';
import { openWorld, OPTIONS, SETTLED, testFolder } from './log-world.ts';

const KILLS = 10;
const IN_FLIGHT = 20;
/** P4: what was in flight, and what was settled while the last commit was under way: at most what a batch holds. */
const REPEATS_PER_KILL = IN_FLIGHT + 1024;

const child = join(import.meta.dirname, 'log-child.ts');

it(`P2 loses and alters nothing that was acknowledged in ${KILLS} kills, and P4 repeats little`, async () => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
  process.stdout.write(`MILLRACE_SEED=${seed}\n`);
  const random = seededRandom(seed);
  const folder = testFolder('log-kill');
  const said = join(testFolder('log-said'), 'said');
  const acked = new Map<string, number>();
  const settled = new Map<string, number>();
  const altered: string[] = [];
  let repeats = 0;
  const settle = (id: string, bytes: number): void => {
    if (settled.has(id)) repeats += 1;
    settled.set(id, bytes);
  };

  for (let kill = 0; kill < KILLS; kill += 1) {
    const args = [child, folder, `run${kill}`, said];
    const running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(running.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 20 + random() * 150)); // a random moment under load is tested
    running.kill('SIGKILL');
    await once(running, 'exit');
  }
  for (const [what, id = '', bytes] of linesOf(said).map((line) => line.split(' '))) {
    if (what === 'acked') acked.set(id, Number(bytes));
    else if (what === 'settled') settle(id, Number(bytes));
  }

  const { orders } = await openWorld({}, folder);
  await orders.consume('audit', { ...OPTIONS, inFlightMax: 1000 }, async ({ event }) => {
    settle(idOf(event), event.body.byteLength);
    if (Buffer.compare(event.body, Buffer.alloc(event.body.byteLength, idOf(event))) !== 0)
      altered.push(idOf(event));
    return SETTLED;
  });
  await expect.poll(() => orders.backlog(), { timeout: 10_000 }).toMatchObject([{ events: 0, bytes: 0 }]);
  const lost = [...acked].filter(([id, bytes]) => settled.get(id) !== bytes);
  process.stdout.write(`${JSON.stringify({ acked: acked.size, settled: settled.size, repeats })}\n`);
  expect({ lost, altered }).toEqual({ lost: [], altered: [] });
  expect(acked.size).toBeGreaterThan(KILLS);
  expect(repeats).toBeLessThanOrEqual(KILLS * REPEATS_PER_KILL);
}, 60_000);

it('L5 a write that fails is final: all publishers are refused, and what was acknowledged is there', async () => {
  const folder = testFolder('log-fails');
  // With SIGXFSZ ignored, a write past the limit on file sizes fails with EFBIG, which is not a full disk.
  const limited = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
  const saidFile = join(testFolder('log-said'), 'said');
  const args = ['-c', limited, 'sh', process.execPath, child, folder, 'full', saidFile];
  const running = spawn('sh', args, { stdio: 'inherit' });
  const [code] = (await once(running, 'close')) as [number | null];
  expect(code).toBe(0);
  const said = linesOf(saidFile);
  expect(said.find((line) => line.startsWith('lost'))).toMatch(
    /lost PlatformError: .*events\.db: disk I\/O error/,
  );
  expect(said.find((line) => line.startsWith('refused'))).toContain('the log has failed');

  const { orders } = await openWorld({}, folder);
  const acked = said.filter((line) => line.startsWith('acked')).map((line) => line.split(' ')[1] ?? '');
  const offered = new Set<string>();
  await orders.consume('audit', OPTIONS, async ({ event }) => (offered.add(idOf(event)), SETTLED));
  await expect.poll(() => orders.backlog(), { timeout: 10_000 }).toMatchObject([{ events: 0 }]);
  expect(acked.filter((id) => !offered.has(id))).toEqual([]);
  expect(acked.length).toBeGreaterThan(100);
}, 60_000);

const hasStrace = spawnSync('strace', ['-qq', 'true']).status === 0;

it.skipIf(!hasStrace)(
  '[kernel] L5 a sync that fails once is final, and nothing is acknowledged after it',
  async () => {
    const saidFile = join(testFolder('log-said'), 'said');
    const failing = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO:when=25'];
    const folder = testFolder('log-sync');
    const args = [
      '-f',
      '-qq',
      ...failing,
      '-o',
      '/dev/null',
      process.execPath,
      child,
      folder,
      'run',
      saidFile,
    ];
    const [code] = (await once(spawn('strace', args, { stdio: 'ignore' }), 'close')) as [number | null];
    expect(code).toBe(0);
    const said = linesOf(saidFile);
    const lostAt = said.findIndex((line) => line.startsWith('lost'));
    expect(said[lostAt]).toMatch(/events\.db: disk I\/O error/);
    expect(said.slice(lostAt).filter((line) => line.startsWith('acked'))).toEqual([]);
  },
);

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n');
}
