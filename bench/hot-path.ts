import { BenchChild } from './child.ts';
import { compare, spreadOf, type Measured, type Side, type Spread } from './rounds.ts';

export type BenchOptions = { readonly rounds: number; readonly seconds: number; readonly folder: string };
export type Bench = (options: BenchOptions) => Promise<Record<string, Spread>>;

const EVENT_BYTES = 1024;

/** Delivered events per second, drain included, against a forwarder that keeps nothing. */
export const durablePath =
  (connections: number): Bench =>
  async ({ rounds, seconds, folder }) => {
    const sink = new BenchChild('./sink.ts');
    const sinkPort = String((await sink.next())['port']);
    const platform = new BenchChild('./platform-child.ts', [`http://127.0.0.1:${sinkPort}/`, folder]);
    const baseline = new BenchChild('./bare-forwarder.ts', [sinkPort]);
    const load = new BenchChild('./load.ts');
    const ports = { ours: (await platform.next())['port'], baseline: (await baseline.next())['port'] };
    const run =
      (child: BenchChild, port: number | undefined, path: string): Side =>
      async (): Promise<Measured> => {
        const cpuBefore = child.cpuMicros();
        const startMs = performance.now();
        const ask = { port, path, host: 'bench', connections, seconds, bytes: EVENT_BYTES };
        const { answered = 0, refused = 0 } = await load.ask(ask);
        if (refused > 0) throw new Error(`${refused} requests were refused`);
        await sink.ask({ until: answered });
        const delivered = answered;
        return {
          perSecond: (delivered * 1000) / (performance.now() - startMs),
          cpuMicros: (child.cpuMicros() - cpuBefore) / delivered,
        };
      };
    const ours = run(platform, ports.ours, '/channels/demo/durable');
    const theirs = run(baseline, ports.baseline, '/');
    await ours();
    await theirs(); // warm
    const result = await compare(rounds, ours, theirs);
    await Promise.all([platform, baseline, load, sink].map((child) => child.close()));
    return result;
  };

/** Requests per second through the gateway to one warm instance, or the time it adds at one connection. */
export const gateway =
  (connections: number): Bench =>
  async ({ rounds, seconds, folder }) => {
    const platform = new BenchChild('./platform-child.ts', ['http://127.0.0.1:9/', folder]);
    const load = new BenchChild('./load.ts');
    const { port = 0 } = await platform.next();
    const host = 'worker.demo.svc.cluster.local';
    const instance = await fetch(`http://127.0.0.1:${port}/`, { headers: { host } }).catch(() => undefined);
    await instance?.text();
    const direct = await portOfInstance(load, port, host);
    const baseline = new BenchChild('./bare-proxy.ts', [String(direct)]);
    const ports = { ours: port, baseline: (await baseline.next())['port'] ?? 0 };
    const run =
      (child: BenchChild, to: number): Side =>
      async () => {
        const cpuBefore = child.cpuMicros();
        const {
          answered = 0,
          ms = 1,
          p50Ms = 0,
        } = await load.ask({ port: to, path: '/', host, connections, seconds, bytes: EVENT_BYTES });
        const perSecond = connections === 1 ? p50Ms : (answered * 1000) / ms;
        return { perSecond, cpuMicros: (child.cpuMicros() - cpuBefore) / answered };
      };
    const ours = run(platform, ports.ours);
    const theirs = run(baseline, ports.baseline);
    await ours();
    await theirs();
    const result = await compare(rounds, ours, theirs);
    await Promise.all([platform, baseline, load].map((child) => child.close()));
    if (connections !== 1) return result;
    const { ratio: _ratio, 'ours /s': own, 'baseline /s': other, ...rest } = result;
    return {
      ...(own !== undefined && { 'p50 ms': own }),
      ...(other !== undefined && { 'baseline p50 ms': other }),
      ...rest,
    };
  };

/** The function answers with the port it listens on. */
async function portOfInstance(load: BenchChild, port: number, host: string): Promise<number> {
  await load.ask({ port, path: '/', host, connections: 1, seconds: 0.3, bytes: 10 });
  const { request } = await import('undici');
  const { body } = await request(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { host },
    body: 'x',
  });
  return Number(JSON.parse(await body.text()).port);
}

/** One service at a time: from the POST to the first line of the function, and to its response. */
export const fromZero: Bench = async ({ rounds, folder }) => {
  const platform = new BenchChild('./platform-child.ts', ['http://127.0.0.1:9/', folder]);
  const { port = 0 } = await platform.next();
  const { request } = await import('undici');
  const [lines, responses]: [number[], number[]] = [[], []];
  for (let i = 0; i < rounds * 5; i += 1) {
    await platform.ask({ name: 'zero' });
    const startMs = Date.now() + 0;
    const exactMs = performance.timeOrigin + performance.now();
    const { body } = await request(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      headers: {
        host: 'worker.demo.svc.cluster.local',
        'ce-specversion': '1.0',
        'ce-id': `${startMs}-${i}`,
        'ce-source': '/b',
        'ce-type': 't',
      },
      body: '{}',
    });
    const answer = JSON.parse(await body.text()) as { atMs: number };
    responses.push(performance.timeOrigin + performance.now() - exactMs);
    lines.push(answer.atMs - exactMs);
  }
  await platform.close();
  const p99 = (values: readonly number[]): Spread => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN;
    return { min: at, median: at, max: at };
  };
  return {
    'first line ms': spreadOf(lines),
    'first line p99 ms': p99(lines),
    'response ms': spreadOf(responses),
    'response p99 ms': p99(responses),
  };
};
