import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, type Figures, type Side } from './rounds.ts';

const CONNECTIONS = 64;
const REQUEST_BYTES = 1024;
const HOST = 'plain.demo.svc.cluster.local';

/**
 * The gateway to one warm instance, beside the barest node:http to undici proxy to that same instance: requests per
 * second over 64 connections, and the p50 that is added at one connection and at half of the proxy's rate.
 */
export const warmGateway: Bench = async ({ rounds, seconds, folders, profileFolder }) => {
  const services = {
    plain: {
      directory: folders.program,
      launch: { kind: 'program', command: [process.execPath, 'server.mjs'] },
    },
  };
  const plan = JSON.stringify({ subscriberUrl: 'http://127.0.0.1:9/', services });
  const platform = new BenchChild('./platform-child.ts', [plan], profileFolder);
  const load = new BenchChild('./load.ts');
  const port = await platform.port();
  await load.ask({ port, host: HOST, connections: 1, seconds: 0.2, bytes: REQUEST_BYTES }); // wakes the instance
  const { port: instancePort = 0 } = await platform.ask({ name: 'portOf', service: 'plain' });
  const proxy = new BenchChild('./bare-proxy.ts', [String(instancePort)], profileFolder);
  const proxyPort = await proxy.port();
  const once = (to: number, connections: number, rate: number): Promise<Figures> =>
    load.ask({ port: to, host: HOST, connections, seconds: seconds / 3, bytes: REQUEST_BYTES, rate });
  const { answered = 0, ms = 1 } = await once(proxyPort, CONNECTIONS, 0);
  const half = (answered * 1000) / ms / 2;
  const side =
    (child: BenchChild, to: number): Side =>
    async () => {
      const cpuBefore = child.cpuMicros();
      const full = await once(to, CONNECTIONS, 0);
      const cpu = (child.cpuMicros() - cpuBefore) / (full['answered'] ?? 1);
      const single = await once(to, 1, 0);
      const paced = await once(to, CONNECTIONS, half);
      for (const { refused } of [full, single, paced])
        if (refused !== 0) throw new Error(`${refused} requests were refused`);
      return {
        'requests/s': ((full['answered'] ?? 0) * 1000) / (full['ms'] ?? 1),
        'CPU µs/request': cpu,
        'p50 ms at 1': single['p50Ms'] ?? Number.NaN,
        'p50 ms at half': paced['p50Ms'] ?? Number.NaN,
      };
    };
  const sides = { ours: side(platform, port), baseline: side(proxy, proxyPort) };
  const table = await pairRounds(rounds, sides, (ours, baseline) => ({
    ratio: (ours['requests/s'] ?? 0) / (baseline['requests/s'] ?? 0),
    'added p50 ms at 1': (ours['p50 ms at 1'] ?? 0) - (baseline['p50 ms at 1'] ?? 0),
    'added p50 ms at half': (ours['p50 ms at half'] ?? 0) - (baseline['p50 ms at half'] ?? 0),
  }));
  await Promise.all([platform, proxy, load].map((child) => child.close()));
  return table;
};
