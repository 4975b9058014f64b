import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackedChannel, Backend } from '../../../src/channels/backend.ts';
import { anEvent } from '../../kit/events.ts';
import { Journal, seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { endAll, freePort } from '../../servers/processes.ts';
import { pubsubServer, startOn } from '../../servers/pubsub.ts';
import { journalled, Load } from './pubsub-load.ts';
import { aClaim, aSpec, openAt, server, title } from './pubsub-world.ts';

const OPTIONS = { start: 'latest', inFlightMax: 20, isOrdered: false } as const;
const RESTARTS = 10;

/**
 * The emulator keeps everything in memory, so what it had is gone when it ends: what can be shown is that nothing hangs,
 * that senders are told, and that everything is made again. That nothing accepted is lost is shown over connections that
 * break (cuts.test.ts), where the emulator lives on.
 */
describe.skipIf(server.kind === 'missing')(title('pubsub when the server goes away'), () => {
  let folder: string;
  let port: number;
  let pids: readonly number[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-emulator-'));
    port = await freePort();
    await pubsubServer.prepare();
    ({ pids } = await startOn(folder, port));
  }, 120_000);
  afterAll(async () => {
    await endAll(pids);
    rmSync(folder, { recursive: true, force: true });
  });

  it(`is told, and back within five seconds of the server's return, ${RESTARTS} times under load, stopped and killed`, async () => {
    const random = seededRandom(seedOfThisRun());
    const journal = new Journal();
    const spec = aSpec({}, aClaim());
    const open = async (): Promise<{ backend: Backend; channel: BackedChannel }> => {
      const opened = await openAt(`127.0.0.1:${port}`, spec);
      await opened.channel.consume('audit', OPTIONS, journalled(journal, random));
      return opened;
    };
    let { backend, channel } = await open();
    /** As the supervisor does. */
    const reopen = async (): Promise<void> => {
      const [old, oldBackend] = [channel, backend];
      void old.close().then(() => oldBackend.close());
      for (;;) {
        const opened = await open().catch(() => undefined);
        if (opened !== undefined) return void ({ backend, channel } = opened);
        await pause(100);
      }
    };
    const load = new Load(() => channel, journal, { writers: 4, random });
    const gone = new Set<string>();
    const backMs: number[] = [];
    let slowestLostMs = 0;
    const lost = async (awayMs: number): Promise<void> => {
      await expect.poll(() => channel.lost.aborted, { timeout: 8000, interval: 20 }).toBe(true);
      slowestLostMs = Math.max(slowestLostMs, Date.now() - awayMs);
      await expect(channel.publish(anEvent('nowhere'))).rejects.toMatchObject({
        code: 'CHANNEL_LOST',
        retryable: true,
      });
    };
    for (let restart = 1; restart <= RESTARTS; restart += 1) {
      const { acked: before } = journal.counts;
      await expect.poll(() => journal.counts.acked, { timeout: 10_000 }).toBeGreaterThan(before + 30);
      const isKilled = restart % 2 === 0;
      const awayMs = Date.now();
      if (isKilled) for (const pid of pids) process.kill(pid, 'SIGKILL');
      await endAll(pids);
      // Every other time it is back before its absence is certain: then it is its emptiness that is noticed.
      if (!isKilled) await lost(awayMs);
      for (const id of journal.missing()) gone.add(id); // with the server's memory
      ({ pids } = await startOn(folder, port));
      const returnedMs = Date.now();
      if (isKilled) await lost(awayMs);
      await reopen();
      const { acked } = journal.counts;
      await expect.poll(() => journal.counts.acked, { timeout: 10_000 }).toBeGreaterThan(acked);
      backMs.push(Date.now() - returnedMs);
    }
    await load.end();
    const missing = (): string[] => journal.missing().filter((id) => !gone.has(id));
    await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
    const { sent, acked, received } = journal.counts;
    const median = backMs.toSorted((a, b) => a - b)[RESTARTS / 2] ?? 0; // of a machine that may be busy
    const times = `lost after at most ${slowestLostMs} ms, back after ${median} ms, at most ${Math.max(...backMs)}`;
    process.stdout.write(
      `pubsub: ${RESTARTS} restarts, ${sent} sent, ${acked} accepted, ${received} seen, ${gone.size} gone with the server's memory; ${times}\n`,
    );
    expect(journal.judge()).toMatchObject({ invented: [], altered: [] });
    expect(load.slowestMs).toBeLessThan(6000);
    expect(median).toBeLessThan(5000);
    await channel.remove();
    await backend.close();
  }, 180_000);
});
