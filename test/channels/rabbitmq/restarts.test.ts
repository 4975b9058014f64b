import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { rabbitmqAdapter } from '../../../src/channels/rabbitmq/rabbitmq-adapter.ts';
import { Connection } from '../../../src/channels/supervised/connection.ts';
import { SupervisedChannel } from '../../../src/channels/supervised/supervised-channel.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { Journal, seededRandom, seedOfThisRun } from '../../kit/journal.ts';
import { RabbitmqNode, rabbitmqServer } from '../../servers/rabbitmq.ts';
import { journalled, Load } from './rabbitmq-load.ts';
import { aChannelSpec, GRACE_MS } from './rabbitmq-world.ts';

const RESTARTS = 10;
const RECOVERS_WITHIN_MS = 5000;
const WRITERS = 8;
const IN_FLIGHT = 20;
/** What was in flight, published without an answer, or acknowledged while the broker no longer took it down. */
const REPEATS_A_RESTART = IN_FLIGHT + WRITERS + 200;

const reason = await rabbitmqServer.prepare();

describe.skipIf(reason !== undefined)(`RabbitMQ goes away and comes back ${reason ?? ''}`, () => {
  let node: RabbitmqNode;
  beforeAll(async () => {
    node = await RabbitmqNode.make(temporaryFolder('rabbitmq-restarts'));
    await node.start();
  });
  afterAll(() => node.end());

  it(
    `loses, invents and alters nothing when it is stopped and killed ${RESTARTS} times under load`,
    // Once more: RabbitMQ 3.10 may itself leave a queue without a leader when it is killed (docs/backends/rabbitmq.md).
    { timeout: 180_000, retry: 1 },
    async () => {
      const random = seededRandom(seedOfThisRun());
      const spec = aChannelSpec();
      const connection = new Connection(
        { configMap: rabbitmqAdapter.configMap, load: async () => rabbitmqAdapter },
        { clock: systemClock, random, graceMs: GRACE_MS },
      );
      connection.setSettings({ config: { uri: `amqp://127.0.0.1:${node.port}` }, secret: {} });
      const channel = new SupervisedChannel({
        key: spec.key,
        clock: systemClock,
        random,
        open: async () => (await connection.backend()).open(spec),
        onChange: () => undefined,
      });
      channel.start();
      await channel.tried;
      const journal = new Journal();
      await channel.consume('audit', { ...OPTIONS, inFlightMax: IN_FLIGHT }, journalled(journal, random));
      const load = new Load(channel, journal, WRITERS, random);
      // All queues are made by then: one that RabbitMQ is killed over has no leader for good (docs/backends/rabbitmq.md).
      await expect.poll(() => journal.counts.received, { timeout: 20_000 }).toBeGreaterThan(300);
      let slowestMs = 0;
      let mostRepeats = 0;
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        const before = journal.counts.repeats;
        await pause(100 + random() * 300); // a random moment under load is what is tested
        await (restart % 2 === 0 ? node.kill() : node.stop());
        const startMs = performance.now();
        await expect(channel.publish(anEvent('away'))).rejects.toMatchObject({
          code: 'CHANNEL_LOST',
          retryable: true,
        });
        expect(performance.now() - startMs).toBeLessThan(5000);
        await node.start();
        const backMs = Date.now();
        await expect.poll(() => load.lastAckMs, { timeout: 20_000 }).toBeGreaterThan(backMs);
        slowestMs = Math.max(slowestMs, load.lastAckMs - backMs);
        mostRepeats = Math.max(mostRepeats, journal.counts.repeats - before);
      }
      await load.end();
      await expect.poll(() => journal.missing(), { timeout: 20_000 }).toEqual([]);
      await expect.poll(async () => (await channel.backlog())[0]?.events, { timeout: 10_000 }).toBe(0);
      process.stdout.write(`${JSON.stringify({ ...journal.counts, slowestMs, mostRepeats })}\n`);
      expect(journal.judge()).toEqual({ lost: [], invented: [], altered: [] });
      expect(journal.counts.acked).toBeGreaterThan(RESTARTS * WRITERS); // there was a load to be lost
      expect(slowestMs).toBeLessThan(RECOVERS_WITHIN_MS);
      expect(mostRepeats).toBeLessThanOrEqual(REPEATS_A_RESTART);
      expect(await channel.remove()).toBe(0);
      await connection.close();
    },
  );
});
