import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, type Figures, type Side } from './rounds.ts';

/** Connections, and streams at a time on each. */
const LOADS = [
  [1, 1],
  [1, 32],
  [8, 32],
] as const;
const REQUEST_BYTES = 1024;
const HOST = 'plain.demo.svc.cluster.local';

/**
 * The gateway by HTTP/2 from end to end, to one warm instance, beside the barest node:http2 proxy to that same instance:
 * requests per second at 1, 32 and 256 at a time, and the p50 that is added at one.
 */
export const warmGatewayH2: Bench = async ({ rounds, seconds, folders, profileFolder }) => {
  const services = {
    plain: {
      directory: folders.programH2,
      launch: { kind: 'program', command: [process.execPath, 'server.mjs'] },
      plan: { protocol: 'h2c' },
    },
  };
  const plan = JSON.stringify({ subscriberUrl: 'http://127.0.0.1:9/', services });
  const platform = new BenchChild('./platform-child.ts', [plan], profileFolder);
  const load = new BenchChild('./load-h2.ts');
  const port = await platform.port();
  const once = async (to: number, connections: number, streams: number): Promise<Figures> => {
    const part = seconds / LOADS.length;
    const ask = { port: to, host: HOST, connections, streams, seconds: part, bytes: REQUEST_BYTES };
    const figures = await load.ask(ask);
    if (figures['refused'] !== 0) throw new Error(`${figures['refused']} requests were refused`);
    return figures;
  };
  await once(port, 1, 1); // wakes the instance
  const { port: instancePort = 0 } = await platform.ask({ name: 'portOf', service: 'plain' });
  const proxy = new BenchChild('./bare-h2-proxy.ts', [String(instancePort)], profileFolder);
  const proxyPort = await proxy.port();
  const side =
    (child: BenchChild, to: number): Side =>
    async () => {
      const figures: Record<string, number> = {};
      for (const [connections, streams] of LOADS) {
        const atOnce = connections * streams;
        const cpuBefore = child.cpuMicros();
        const full = await once(to, connections, streams);
        figures[`requests/s at ${atOnce}`] = ((full['answered'] ?? 0) * 1000) / (full['ms'] ?? 1);
        figures[`CPU µs/request at ${atOnce}`] = (child.cpuMicros() - cpuBefore) / (full['answered'] ?? 1);
        if (atOnce === 1) figures['p50 ms at 1'] = full['p50Ms'] ?? Number.NaN;
      }
      return figures;
    };
  const sides = { ours: side(platform, port), baseline: side(proxy, proxyPort) };
  const table = await pairRounds(rounds, sides, (ours, baseline) => ({
    ...Object.fromEntries(
      LOADS.map(([connections, streams]) => {
        const name = `requests/s at ${connections * streams}`;
        return [`ratio at ${connections * streams}`, (ours[name] ?? 0) / (baseline[name] ?? 0)];
      }),
    ),
    'added p50 ms at 1': (ours['p50 ms at 1'] ?? 0) - (baseline['p50 ms at 1'] ?? 0),
  }));
  await Promise.all([platform, proxy, load].map((child) => child.close()));
  return table;
};
