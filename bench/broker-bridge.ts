import { BROKERS, openChannel, startBroker } from './brokers.ts';
import { BenchChild, type Answer, type Message } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, spreadOf, type Figures, type Side, type Table } from './rounds.ts';

const BYTES = 1024;

/** Accepted events a second: HTTP in, published, confirmed, 202; the broker keeps them. */
export const brokerIn =
  (which: keyof typeof BROKERS, connections: number): Bench =>
  async ({ rounds, seconds, profileFolder }) => {
    const broker = await startBroker(BROKERS[which]);
    if (broker === undefined) return {};
    const bare = new BenchChild(broker.bare, [broker.address, `bench-in-${process.pid}`], profileFolder);
    const hanging = new BenchChild('./hanging-sink.ts');
    const subscribers = [`http://127.0.0.1:${await hanging.port()}/`];
    const ours = openChannel(
      broker,
      { name: `in-${connections}`, subscribers, inFlightMax: 1 },
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
    const raw = await bare.ask({ raw: 'publish', count: broker.rawCount, bytes: BYTES });
    await Promise.all([bare, hanging, ours, load].map((child) => child.close()));
    await broker.stop();
    return withRaw(table, raw);
  };

/**
 * Delivered events a second: a client publishes as fast as it can, they are consumed, posted, acknowledged; until the last
 * one has reached the sink.
 */
export const brokerOut =
  (which: keyof typeof BROKERS, inFlight: number): Bench =>
  async ({ rounds, seconds, profileFolder }) => {
    const broker = await startBroker(BROKERS[which]);
    if (broker === undefined) return {};
    const { address, rawCount } = broker;
    const sink = new BenchChild('./sink.ts');
    const sinkPort = await sink.port();
    const topic = `bench-out-${process.pid}`;
    const bareArgs = [address, topic, String(sinkPort), String(inFlight)];
    const bare = new BenchChild(broker.bare, bareArgs, profileFolder);
    const name = `out-${inFlight}`;
    const subscribers = [`http://127.0.0.1:${sinkPort}/`];
    const ours = openChannel(broker, { name, subscribers, inFlightMax: inFlight }, profileFolder);
    const client = new BenchChild(broker.bare, [address, `${topic}-raw`]);
    await Promise.all([bare, ours, client].map((child) => child.port()));
    const count = broker.eventsASecond * seconds;
    const side =
      (child: BenchChild, to: Message): Side =>
      async () => {
        const cpuBefore = child.cpuMicros();
        const startMs = performance.now();
        const published = client.ask({ raw: 'publish', ...to, count, bytes: BYTES });
        const { seen } = await sink.ask({ until: count });
        const ms = performance.now() - startMs;
        await published;
        if (seen !== count) throw new Error(`${count} events were published, ${seen} were delivered`);
        return { 'events/s': (count * 1000) / ms, 'CPU µs/event': (child.cpuMicros() - cpuBefore) / count };
      };
    const sides = {
      ours: side(ours, broker.toChannel(`${name}-${process.pid}`)),
      baseline: side(bare, broker.toBridge(topic)),
    };
    const table = await pairRounds(rounds, sides, ratioOf);
    await client.ask({ raw: 'publish', count: rawCount, bytes: BYTES });
    const raw = await client.ask({ raw: 'consume', count: rawCount, bytes: BYTES });
    await Promise.all([bare, ours, client, sink].map((child) => child.close()));
    await broker.stop();
    return withRaw(table, raw);
  };

function ratioOf(ours: Figures, baseline: Figures): Figures {
  return { ratio: (ours['events/s'] ?? 0) / (baseline['events/s'] ?? 0) };
}

/** The client alone, measured once at the end. */
function withRaw(table: Table, { perSecond = Number.NaN }: Answer): Table {
  return { ...table, 'client alone/s': spreadOf([perSecond]) };
}
