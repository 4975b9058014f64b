import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, type Side } from './rounds.ts';

const EVENT_BYTES = 1024;

/**
 * Delivered events per second: HTTP in, log (synced), HTTP out, until the last event has reached the sink. The baseline
 * keeps nothing: it answers when the sink has answered.
 */
export const durablePath =
  (connections: number): Bench =>
  async ({ rounds, seconds, profileFolder }) => {
    const sink = new BenchChild('./sink.ts');
    const sinkPort = await sink.port();
    const plan = JSON.stringify({ subscriberUrl: `http://127.0.0.1:${sinkPort}/`, services: {} });
    const platform = new BenchChild('./platform-child.ts', [plan], profileFolder);
    const forwarder = new BenchChild('./bare-forwarder.ts', [String(sinkPort)], profileFolder);
    const load = new BenchChild('./load.ts');
    const side =
      (child: BenchChild, port: number, path: string): Side =>
      async () => {
        const cpuBefore = child.cpuMicros();
        const mainBefore = child.mainMicros();
        const startMs = performance.now();
        const { answered = 0, refused } = await load.ask({
          port,
          path,
          connections,
          seconds,
          bytes: EVENT_BYTES,
        });
        if (refused !== 0) throw new Error(`${refused} requests were refused`);
        const { seen } = await sink.ask({ until: answered });
        const ms = performance.now() - startMs;
        if (seen !== answered) throw new Error(`${answered} events were accepted, ${seen} were delivered`);
        return {
          'events/s': (answered * 1000) / ms,
          'CPU µs/event': (child.cpuMicros() - cpuBefore) / answered,
          'main thread µs/event': (child.mainMicros() - mainBefore) / answered,
        };
      };
    const sides = {
      ours: side(platform, await platform.port(), '/channels/demo/durable'),
      baseline: side(forwarder, await forwarder.port(), '/'),
    };
    const table = await pairRounds(rounds, sides, (ours, baseline) => ({
      ratio: (ours['events/s'] ?? 0) / (baseline['events/s'] ?? 0),
    }));
    await Promise.all([platform, forwarder, load, sink].map((child) => child.close()));
    return table;
  };
