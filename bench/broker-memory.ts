import { BROKERS, openChannel, startBroker } from './brokers.ts';
import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { tableOf } from './rounds.ts';

const SUBSCRIPTIONS = 10;
const MIB = 1024 * 1024;
const BATCH_SECONDS = 10;
const CONNECTIONS = 64;

/** What the platform holds while `events` wait in a channel for each of ten subscriptions whose subscriber never answers. */
export const brokerMemory =
  (name: keyof typeof BROKERS | 'log', events: number): Bench =>
  async () => {
    const broker = name === 'log' ? undefined : await startBroker(BROKERS[name]);
    if (name !== 'log' && broker === undefined) return {};
    const hanging = new BenchChild('./hanging-sink.ts');
    const load = new BenchChild('./load.ts');
    const url = `http://127.0.0.1:${await hanging.port()}/`;
    const subscribers = Array.from({ length: SUBSCRIPTIONS }, (_, i) => `${url}${i}`);
    const channel = openChannel(broker, { name: 'memory', subscribers });
    const port = await channel.port();
    const before = await channel.ask({ name: 'memory' });
    let accepted = 0;
    let peak = 0;
    while (accepted < events) {
      const ask = { port, path: '/channels/bench/memory', connections: CONNECTIONS, seconds: BATCH_SECONDS };
      const { answered = 0, refused = 0 } = await load.ask(ask);
      if (refused > 0) throw new Error(`${refused} events were refused after ${accepted}`);
      accepted += answered;
      peak = Math.max(peak, (await channel.ask({ name: 'memory' }))['rss'] ?? 0);
    }
    const after = await channel.ask({ name: 'memory' });
    const mib = (bytes: number | undefined): number => (bytes ?? 0) / MIB;
    const row = {
      'events waiting': accepted,
      'RSS MiB before': mib(before['rss']),
      'RSS MiB at most': mib(peak),
      'heap MiB after': mib(after['heapUsed']),
      'buffers MiB after': mib(after['arrayBuffers']),
    };
    await Promise.all([load, channel, hanging].map((child) => child.close()));
    await broker?.stop();
    return tableOf([row]);
  };
