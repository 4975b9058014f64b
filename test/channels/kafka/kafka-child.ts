import { openSync, writeSync } from 'node:fs';
import { systemClock } from '../../../src/base/clock.ts';
import { kafkaAdapterWith } from '../../../src/channels/kafka/kafka-adapter.ts';
import { idOf } from '../../kit/events.ts';
import { FAILURE, QUICK } from './kafka-world.ts';

/**
 * A platform in a process of its own, to be killed or stopped: `node kafka-child.ts ADDRESS NAME UID SAID [SHARED]`. What
 * it answers to an event is the first word of its id. Appends `offered ID ATTEMPT`, `due ID MS` and `settled ID`, each
 * a line, to the file SAID: unlike a pipe it takes each line at once, and a kill does not take it back.
 */
const [address = '', name = '', uid = '', saidFile = '', sharedName] = process.argv.slice(2);
const said = openSync(saidFile, 'a');
const say = (line: string): number => writeSync(said, `${line}\n`);
const tools = { clock: systemClock, random: Math.random, graceMs: 500 };
const settings = { config: { 'bootstrap.servers': address }, secret: {} };
const backend = await kafkaAdapterWith(QUICK).connect(settings, tools);
const channel = await backend.open({
  key: `KafkaChannel/demo/${name}`,
  uid,
  namespace: 'demo',
  name,
  spec: {},
  externalName: undefined,
  groups: [],
  claim: { isOurs: true, make: async () => undefined },
});
channel.lost.addEventListener('abort', () => say(`lost ${String(channel.lost.reason)}`));

const options = { start: 'latest', inFlightMax: 10, isOrdered: false, sharedName } as const;
await channel.consume('audit', options, async ({ event, attempt }) => {
  const id = idOf(event);
  say(`offered ${id} ${attempt}`);
  const [what] = id.split('-');
  if (what === 'hang') await new Promise(() => undefined);
  if (what === 'retry') {
    const dueMs = Date.now() + 2500;
    say(`due ${id} ${dueMs}`);
    return { kind: 'retry', dueMs, reason: 'busy', code: 503 };
  }
  if (what === 'dead') return { kind: 'dead', failure: FAILURE };
  await systemClock.until(Date.now() + 5, channel.lost);
  say(`settled ${id}`);
  return { kind: 'settled' };
});
process.stdout.write('ready\n');
process.once('SIGTERM', () => void backend.close().then(() => process.exit(0)));
