import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { UNTOLD_MAX } from '../../../src/clients/kafka/committer.ts';
import type { SupervisedChannel } from '../../../src/channels/supervised/supervised-channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { Journal, seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { KafkaProcess, kafkaServer } from '../../servers/kafka.ts';
import { FAILURE, KafkaWorld } from './kafka-world.ts';

const folder = temporaryFolder('kafka-restarts');
const reason = await kafkaServer.prepare();
const RESTARTS = 10;
const WRITERS = 8;
const IN_FLIGHT = 20;
/** P4: in flight, and finished without Kafka having heard of it. */
const REPEATS_PER_RESTART = IN_FLIGHT + UNTOLD_MAX;
const BACK_MAX_MS = 5000;
const quickly = { timeout: BACK_MAX_MS, interval: 10 };

describe.skipIf(reason !== undefined)(
  `Kafka that goes and comes back (${reason ?? 'a server of its own'})`,
  () => {
    let server: KafkaProcess | undefined;
    afterAll(async () => server?.end());

    it(`loses nothing that was accepted in ${RESTARTS} restarts under load, and takes events soon after each`, async () => {
      const random = seededRandom(seedOfThisRun());
      server = await KafkaProcess.make(join(folder, 'kafka'));
      const world = new KafkaWorld(server.address);
      const channel = world.supervised();
      await server.start({ isReady: false }); // its coordinator is still loading when we come
      const journal = new Journal();
      const dead = new Set<string>();
      await until(() =>
        channel.consume(
          'audit',
          { start: 'latest', inFlightMax: IN_FLIGHT, isOrdered: false },
          async (offer) => {
            const id = idOf(offer.event);
            if (random() < 0.1) return { kind: 'retry', dueMs: Date.now() + 50, reason: 'busy', code: 503 };
            if (random() < 0.01) return (dead.add(id), { kind: 'dead', failure: FAILURE });
            journal.received(id, offer.event.body);
            return { kind: 'settled' };
          },
        ),
      );

      const load = new Load(channel, journal, random);
      const backMs: number[] = [];
      const deliveredMs: number[] = [];
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        await expect.poll(() => load.accepted, { timeout: BACK_MAX_MS }).toBeGreaterThan((restart + 1) * 200);
        await pause(random() * 200);
        await server.end(restart % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
        await pause(random() * 300); // what it is like to be without: publishers are refused
        await server.start();
        const readyMs = Date.now();
        const before = { accepted: load.accepted, received: journal.counts.received };
        await expect.poll(() => load.accepted, quickly).toBeGreaterThan(before.accepted);
        backMs.push(Date.now() - readyMs);
        await expect.poll(() => journal.counts.received, quickly).toBeGreaterThan(before.received);
        deliveredMs.push(Date.now() - readyMs);
      }
      await load.stop();
      const missing = (): string[] => journal.missing().filter((id) => !dead.has(id));
      await expect.poll(missing, { timeout: 15_000 }).toEqual([]);
      await expect.poll(() => channel.backlog(), { timeout: 10_000 }).toMatchObject([{ events: 0 }]);

      const letters = await channel.deadLetters({ limit: 10_000 });
      const buried = new Set(letters.map(({ event }) => idOf(event)));
      const { lost, ...judged } = journal.judge();
      process.stdout.write(
        `${JSON.stringify({ ...journal.counts, dead: buried.size, refused: load.refused, backMs, deliveredMs })}\n`,
      );
      expect(judged).toEqual({ invented: [], altered: [] });
      expect(lost.filter((id) => !buried.has(id))).toEqual([]);
      expect(journal.counts.repeats).toBeLessThanOrEqual(RESTARTS * REPEATS_PER_RESTART);
      expect(load.codes).toEqual(new Set(['CHANNEL_LOST']));
      expect(Math.max(...load.tookMs)).toBeLessThan(6000);
      await world.closeAll();
    }, 300_000);
  },
);

/** Publishers that go on whatever happens, each with its next event. */
class Load {
  accepted = 0;
  refused = 0;
  readonly codes = new Set<unknown>();
  readonly tookMs: number[] = [];
  readonly #writers: Promise<void>[];
  #isOver = false;

  constructor(channel: SupervisedChannel, journal: Journal, random: () => number) {
    this.#writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let count = 0; !this.#isOver; count += 1) {
        const id = `w${writer}-${count}`;
        const body = Buffer.alloc(50 + Math.floor(random() * 2000), id);
        journal.sending(id, body);
        const startedMs = Date.now();
        try {
          await channel.publish({ ...anEvent(id), body });
          journal.acked(id);
          this.accepted += 1;
        } catch (error) {
          this.refused += 1;
          this.codes.add(error instanceof Error && 'code' in error ? error.code : error);
          await pause(20);
        }
        this.tookMs.push(Date.now() - startedMs);
        await pause(5);
      }
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#writers);
  }
}

async function until(act: () => Promise<void>): Promise<void> {
  await expect.poll(() => act().then(() => 'done', String), { timeout: 20_000, interval: 50 }).toBe('done');
}

/** Between two acts of a load, not before a claim. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
