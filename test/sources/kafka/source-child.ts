import { openSync, writeSync } from 'node:fs';
import { systemClock } from '../../../src/base/clock.ts';
import { bodyOf, SourceWorld } from './source-world.ts';

/**
 * A platform in a process of its own, to be killed: `node source-child.ts ADDRESS TOPIC GROUP ORDERING TAKEN`. Appends each
 * body that its sink has taken to the file TAKEN: unlike a pipe it takes each line at once, and a kill does not take it
 * back.
 */
const [address = '', topic = '', group = '', ordering = '', file = ''] = process.argv.slice(2);
const taken = openSync(file, 'a');
const world = new SourceWorld(address);
const plan = world.plan({ topics: [topic], group, isOrdered: ordering === 'ordered' });
const { states } = world.open(plan, async (event, signal) => {
  await systemClock.until(Date.now() + 20, signal);
  signal.throwIfAborted();
  writeSync(taken, `${bodyOf(event)}\n`);
  return 'taken';
});
while (states.at(-1)?.kind !== 'running')
  await systemClock.until(Date.now() + 20, new AbortController().signal);
process.stdout.write('ready\n');
