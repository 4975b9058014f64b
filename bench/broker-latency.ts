import { BROKERS, openChannel, startBroker, type BenchBroker } from './brokers.ts';
import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { tableOf, type Figures } from './rounds.ts';

const RATE = 500;

/** From the moment an event is due at the door until its subscriber has it, at 500 a second; beside the embedded log in the same rounds. */
export const brokerLatency =
  (name: keyof typeof BROKERS): Bench =>
  async ({ rounds, seconds }) => {
    const broker = await startBroker(BROKERS[name] satisfies BenchBroker);
    if (broker === undefined) return {};
    const pair = new BenchChild('./latency-pair.ts');
    const subscriber = `http://127.0.0.1:${await pair.port()}/`;
    const asked = { name: 'latency', subscribers: [subscriber] };
    const sides = { ours: openChannel(broker, asked), log: openChannel(undefined, asked) };
    const ports = { ours: await sides.ours.port(), log: await sides.log.port() };
    const run = async (side: 'ours' | 'log'): Promise<Figures> => {
      const told = await pair.ask({
        port: ports[side],
        path: '/channels/bench/latency',
        rate: RATE,
        seconds,
      });
      if (told['seen'] !== RATE * seconds)
        throw new Error(`${told['seen']} of ${RATE * seconds} events came, ${told['refused']} were refused`);
      return { 'p50 ms': told['p50Ms'] ?? 0, 'p99 ms': told['p99Ms'] ?? 0 };
    };
    await run('ours'); // warms
    const rows: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [log, ours] = [await run('log'), await run('ours')];
      rows.push({ ...prefixed(name, ours), ...prefixed('log', log) });
    }
    await sides.ours.ask({ name: 'remove' });
    await Promise.all([pair, sides.ours, sides.log].map((child) => child.close()));
    await broker.stop();
    return tableOf(rows);
  };

function prefixed(side: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([figure, value]) => [`${side} ${figure}`, value]));
}
