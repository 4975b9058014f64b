import type { BrokerPlan } from './broker-child.ts';
import { BROKERS, startBroker, type RunningBroker } from './brokers.ts';
import { BenchChild, type Answer } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, spreadOf, type Figures, type Side, type Table } from './rounds.ts';

const BYTES = 1024;
const RAW_COUNT = 20_000;
/** Deliveries in one round, for each second asked for. */
const EVENTS_A_SECOND = 2500;

/** Accepted events a second: HTTP in, published, taken by the emulator, 202; the subscription keeps them. */
export const pubsubIn =
  (connections: number): Bench =>
  async ({ rounds, seconds, profileFolder }) => {
    const broker = await startBroker(BROKERS.pubsub);
    if (broker === undefined) return {};
    const bare = new BenchChild(
      './bare-pubsub.ts',
      [broker.address, `bench-in-${process.pid}`],
      profileFolder,
    );
    const hanging = new BenchChild('./hanging-sink.ts');
    const ours = channelOn(
      broker,
      `in-${process.pid}-${connections}`,
      await hanging.port(),
      1,
      profileFolder,
    );
    const load = new BenchChild('./load.ts');
    const side =
      (child: BenchChild, port: number, path: string): Side =>
      async () => {
        const cpuBefore = child.cpuMicros();
        const asked = { port, path, connections, seconds, bytes: BYTES };
        const { answered = 0, refused, ms = 1 } = await load.ask(asked);
        if (refused !== 0) throw new Error(`${refused} requests were refused`);
        const cpu = (child.cpuMicros() - cpuBefore) / answered;
        return { 'events/s': (answered * 1000) / ms, 'CPU µs/event': cpu };
      };
    const sides = {
      ours: side(ours, await ours.port(), '/channels/bench/in'),
      baseline: side(bare, await bare.port(), '/'),
    };
    const table = await pairRounds(rounds, sides, ratioOf);
    const raw = await bare.ask({ raw: 'publish', count: RAW_COUNT, bytes: BYTES });
    await Promise.all([bare, hanging, ours, load].map((child) => child.close()));
    await broker.stop();
    return withRaw(table, raw);
  };

/**
 * Delivered events a second: a client publishes as fast as it can, they are consumed, posted, acknowledged; until the last
 * one has reached the sink.
 */
export const pubsubOut =
  (inFlight: number): Bench =>
  async ({ rounds, seconds, profileFolder }) => {
    const broker = await startBroker(BROKERS.pubsub);
    if (broker === undefined) return {};
    const sink = new BenchChild('./sink.ts');
    const sinkPort = await sink.port();
    const topic = `bench-out-${process.pid}`;
    const bareArgs = [broker.address, topic, String(sinkPort), String(inFlight)];
    const bare = new BenchChild('./bare-pubsub.ts', bareArgs, profileFolder);
    const name = `out-${process.pid}-${inFlight}`;
    const ours = channelOn(broker, name, sinkPort, inFlight, profileFolder);
    const client = new BenchChild('./bare-pubsub.ts', [broker.address, `${topic}-raw`]);
    await Promise.all([bare, ours, client].map((child) => child.port()));
    const count = EVENTS_A_SECOND * seconds;
    const side =
      (child: BenchChild, to: string): Side =>
      async () => {
        const cpuBefore = child.cpuMicros();
        const startMs = performance.now();
        const published = client.ask({ raw: 'publish', topic: to, count, bytes: BYTES });
        const { seen } = await sink.ask({ until: count });
        const ms = performance.now() - startMs;
        await published;
        if (seen !== count) throw new Error(`${count} events were published, ${seen} were delivered`);
        return { 'events/s': (count * 1000) / ms, 'CPU µs/event': (child.cpuMicros() - cpuBefore) / count };
      };
    const sides = {
      ours: side(ours, `cre-ch_bench_${name}_uid-${name}`),
      baseline: side(bare, topic),
    };
    const table = await pairRounds(rounds, sides, ratioOf);
    await client.ask({ raw: 'publish', count: RAW_COUNT, bytes: BYTES });
    const raw = await client.ask({ raw: 'consume', count: RAW_COUNT });
    await Promise.all([bare, ours, client, sink].map((child) => child.close()));
    await broker.stop();
    return withRaw(table, raw);
  };

function channelOn(
  broker: RunningBroker,
  name: string,
  sinkPort: number,
  inFlightMax: number,
  profileFolder: string | undefined,
): BenchChild {
  const { kind, settings, address, spec } = broker;
  const subscribers = [`http://127.0.0.1:${sinkPort}/`];
  const plan: BrokerPlan = { kind, settings: settings(address), name, spec, subscribers, inFlightMax };
  return new BenchChild('./broker-child.ts', [JSON.stringify(plan)], profileFolder);
}

function ratioOf(ours: Figures, baseline: Figures): Figures {
  return { ratio: (ours['events/s'] ?? 0) / (baseline['events/s'] ?? 0) };
}

/** The client alone, measured once at the end. */
function withRaw(table: Table, { perSecond = Number.NaN }: Answer): Table {
  return { ...table, 'client alone/s': spreadOf([perSecond]) };
}
