import { BenchChild } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, type Figures, type Side } from './rounds.ts';

const CONNECTIONS = [1, 32, 256];
const PACED_CONNECTIONS = 32;
const REQUEST_BYTES = 1024;
const HOST = 'plain.demo.svc.cluster.local';

/**
 * The gateway to one warm instance, beside the barest node:http to undici proxy to that same instance: requests per
 * second over 1, 32 and 256 connections, and the p50 that is added at one connection and at half of the proxy's rate.
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
  const once = async (to: number, connections: number, rate: number): Promise<Figures> => {
    const part = seconds / (CONNECTIONS.length + 1);
    const figures = await load.ask({
      port: to,
      host: HOST,
      connections,
      seconds: part,
      bytes: REQUEST_BYTES,
      rate,
    });
    if (figures['refused'] !== 0) throw new Error(`${figures['refused']} requests were refused`);
    return figures;
  };
  const { answered = 0, ms = 1 } = await once(proxyPort, PACED_CONNECTIONS, 0);
  const half = (answered * 1000) / ms / 2;
  const side =
    (child: BenchChild, to: number): Side =>
    async () => {
      const figures: Record<string, number> = {};
      for (const connections of CONNECTIONS) {
        const cpuBefore = child.cpuMicros();
        const full = await once(to, connections, 0);
        figures[`requests/s at ${connections}`] = ((full['answered'] ?? 0) * 1000) / (full['ms'] ?? 1);
        figures[`CPU µs/request at ${connections}`] =
          (child.cpuMicros() - cpuBefore) / (full['answered'] ?? 1);
        if (connections === 1) figures['p50 ms at 1'] = full['p50Ms'] ?? Number.NaN;
      }
      figures['p50 ms at half'] = (await once(to, PACED_CONNECTIONS, half))['p50Ms'] ?? Number.NaN;
      return figures;
    };
  const sides = { ours: side(platform, port), baseline: side(proxy, proxyPort) };
  const table = await pairRounds(rounds, sides, (ours, baseline) => ({
    ...Object.fromEntries(
      CONNECTIONS.map((connections) => {
        const name = `requests/s at ${connections}`;
        return [`ratio at ${connections}`, (ours[name] ?? 0) / (baseline[name] ?? 0)];
      }),
    ),
    'added p50 ms at 1': (ours['p50 ms at 1'] ?? 0) - (baseline['p50 ms at 1'] ?? 0),
    'added p50 ms at half': (ours['p50 ms at half'] ?? 0) - (baseline['p50 ms at half'] ?? 0),
  }));
  await Promise.all([platform, proxy, load].map((child) => child.close()));
  return table;
};
