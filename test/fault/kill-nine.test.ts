import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { freePort } from '../../src/serving/runtime/process/ports.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Journal, seededRandom, seedOfThisRun } from '../kit/journal.ts';
import { subscriber } from '../kit/subscribers.ts';
import { KillablePlatform, type Ready } from './killable-platform.ts';

const KILLS = 50;
const SENDERS = 16;
/** Not counted is the time that others had the cores: this file does not run alone. */
const READY_WITHIN_MS = 2000;
/** Each run lasts for a random part of this, so that kills meet every moment of a commit, a checkpoint and a retry. */
const RUN_MS = 400;
/** One in so many kills comes before the platform is ready again: a recovery must bear it too. */
const EARLY_ONE_IN = 5;
const EARLY_MS = 500;
/** Nobody listens at the moment. */
const REFUSED_PAUSE_MS = 20;

/**
 * P4: what was in flight (contract: 100 a subscription), and what was settled within the last commit interval: 5 ms, and
 * the time of the commit itself, for which 25 ms are allowed on a busy machine, at the highest rate that is seen here.
 */
const IN_FLIGHT = 100;
const COMMIT_INTERVAL_MS = 30;
const RATE_MAX_PER_MS = 5;
const REPEATS_A_KILL = IN_FLIGHT + COMMIT_INTERVAL_MS * RATE_MAX_PER_MS;

type Sender = { readonly url: string; readonly random: () => number; readonly isOver: () => boolean };

let lastId = 0;

async function send(journal: Journal, { url, random, isOver }: Sender): Promise<void> {
  while (!isOver()) {
    const id = `e-${(lastId += 1)}`;
    const body = JSON.stringify({ id, padding: 'x'.repeat(Math.floor(random() * 2000)) });
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': '/s',
      'ce-type': 't',
      'content-type': 'application/json',
    };
    journal.sending(id, body);
    const answer = await request(url, { method: 'POST', headers, body }).catch(() => undefined);
    await answer?.body.dump().catch(() => undefined);
    if (answer?.statusCode === 202) journal.acked(id);
    else await pause(REFUSED_PAUSE_MS);
  }
}

/** Kills it at random moments and starts it again; returns how long each start took and how often events were repeated. */
async function killAgainAndAgain(
  platform: KillablePlatform,
  journal: Journal,
  random: () => number,
): Promise<{ readonly starts: readonly Ready[]; readonly repeats: readonly number[] }> {
  const starts: Ready[] = [];
  const repeats: number[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = journal.counts.repeats;
    const ready = platform.start();
    if (random() < 1 / EARLY_ONE_IN) {
      await Promise.race([pause(random() * EARLY_MS), ready]);
    } else {
      starts.push(await ready);
      await pause(random() * RUN_MS); // a random moment is what is tested
    }
    await platform.kill();
    repeats.push(journal.counts.repeats - before);
  }
  starts.push(await platform.start());
  return { starts, repeats };
}

it(
  `loses, invents and alters nothing when it is killed ${KILLS} times under load`,
  { timeout: 180_000 },
  async () => {
    const random = seededRandom(seedOfThisRun());
    const journal = new Journal();
    const audit = await subscriber((response, { headers, body }) => {
      journal.received(headers['ce-id'] ?? '', body);
      response.writeHead(204).end();
    });
    const port = await freePort();
    const platform = new KillablePlatform(temporaryFolder('kill'), port, audit.url);
    let isOver = false;
    const sender = { url: `http://127.0.0.1:${port}/channels/demo/orders`, random, isOver: () => isOver };
    const senders = Array.from({ length: SENDERS }, () => send(journal, sender));
    try {
      const { starts, repeats } = await killAgainAndAgain(platform, journal, random);
      isOver = true;
      await Promise.all(senders);
      await expect.poll(() => journal.missing(), { timeout: 20_000, interval: 100 }).toEqual([]);

      const slowest = (read: (start: Ready) => number): number => Math.round(Math.max(...starts.map(read)));
      const slowestMs = slowest(({ ownMs }) => ownMs);
      const mostRepeats = Math.max(...repeats);
      process.stdout.write(
        `${JSON.stringify({ ...journal.counts, mostRepeats, slowestMs, slowestUpMs: slowest(({ upMs }) => upMs) })}\n`,
      );
      expect(journal.judge()).toEqual({ lost: [], invented: [], altered: [] });
      expect(journal.counts.acked).toBeGreaterThan(KILLS * SENDERS); // there was a load to be lost
      expect(mostRepeats).toBeLessThanOrEqual(REPEATS_A_KILL);
      expect(slowestMs).toBeLessThan(READY_WITHIN_MS);
    } finally {
      isOver = true;
      await platform.kill();
      audit.close();
    }
  },
);
