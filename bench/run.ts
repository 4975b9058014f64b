import { mkdirSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { brokerIn, brokerOut } from './broker-bridge.ts';
import { brokerLatency } from './broker-latency.ts';
import { brokerMemory } from './broker-memory.ts';
import { writeBundles } from './bundles.ts';
import { crowdFromZero } from './crowd-from-zero.ts';
import { durablePath } from './durable-path.ts';
import { functionFromZero, programFromZero } from './from-zero.ts';
import { idleRevisions } from './idle-revisions.ts';
import { idleServices } from './idle-services.ts';
import { idleSources } from './idle-sources.ts';
import { keepResult, markdownOf, type Bench } from './results.ts';
import { startUp } from './start-up.ts';
import { warmGatewayH2 } from './warm-gateway-h2.ts';
import { warmGateway } from './warm-gateway.ts';
import { webhookDoor } from './webhook-door.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  'durable-64': durablePath(64),
  'durable-256': durablePath(256),
  'warm-gateway': warmGateway,
  'warm-gateway-h2': warmGatewayH2,
  'from-zero': functionFromZero('functionShared'),
  'from-zero-own-sdk': functionFromZero('functionOwn'),
  'from-zero-node': programFromZero('program'),
  'from-zero-python': programFromZero('python'),
  'from-zero-go': programFromZero('go'),
  'crowd-from-zero': crowdFromZero,
  'webhook-door': webhookDoor,
  'kafka-in-64': brokerIn('kafka', 64),
  'kafka-in-256': brokerIn('kafka', 256),
  'kafka-out-64': brokerOut('kafka', 64),
  'kafka-out-256': brokerOut('kafka', 256),
  'rabbitmq-in-64': brokerIn('rabbitmq', 64),
  'rabbitmq-in-256': brokerIn('rabbitmq', 256),
  'rabbitmq-out-64': brokerOut('rabbitmq', 64),
  'rabbitmq-out-256': brokerOut('rabbitmq', 256),
  'pubsub-in-64': brokerIn('pubsub', 64),
  'pubsub-in-256': brokerIn('pubsub', 256),
  'pubsub-out-64': brokerOut('pubsub', 64),
  'pubsub-out-256': brokerOut('pubsub', 256),
  'latency-kafka': brokerLatency('kafka'),
  'latency-rabbitmq': brokerLatency('rabbitmq'),
  'latency-pubsub': brokerLatency('pubsub'),
  'memory-log': brokerMemory('log', 1_000_000),
  'memory-kafka': brokerMemory('kafka', 1_000_000),
  'memory-rabbitmq': brokerMemory('rabbitmq', 100_000),
  'memory-pubsub': brokerMemory('pubsub', 50_000),
  'idle-sources': idleSources,
  'idle-revisions': idleRevisions,
  'idle-services': idleServices,
  'start-up': startUp,
};

/** `node bench/run.ts [name …] [--rounds 11] [--seconds 2] [--profile FOLDER]`; a profiled run is not kept as a result. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '11' },
    seconds: { type: 'string', default: '2' },
    profile: { type: 'string' },
  },
});
const names = Object.keys(BENCHES);
const unknown = positionals.find((name) => BENCHES[name] === undefined);
if (unknown !== undefined) throw new Error(`there is no bench ${unknown}; there are ${names.join(', ')}`);
if (values.profile !== undefined) mkdirSync(values.profile, { recursive: true });

const folders = writeBundles();
process.on('exit', () => rmSync(folders.root, { recursive: true, force: true }));
const options = {
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  folders,
  profileFolder: values.profile,
};
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const table = await bench(options);
  if (Object.keys(table).length === 0) {
    console.log(`## ${name}\n\nleft out: its tool is not on this machine\n`);
    continue;
  }
  console.log(markdownOf(name, table));
  if (values.profile === undefined) keepResult(names, name, table, options);
}
