import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { LogStore } from '../../../src/channels/log/log-store.ts';
import { anEvent, idOf } from '../../kit/events.ts';

/**
 * A log in a process of its own, to be killed: `node log-child.ts FOLDER RUN SAID`. Publishes with 32 writers and settles
 * what it is offered. Appends `acked ID BYTES`, `settled ID BYTES`, and `lost` or `refused` with what was said, each a
 * line, to the file SAID: unlike a pipe it takes each line at once, and a kill does not take it back.
 */
const [folder = '', run = '', saidFile = ''] = process.argv.slice(2);
const said = openSync(saidFile, 'a');
const store = await LogStore.open({ file: join(folder, 'events.db'), clock: systemClock });
const orders = await store.channel('LogChannel/demo/orders', 'uid-orders');
const say = (line: string): number => writeSync(said, `${line}\n`);
process.stdout.write('ready\n');
store.lost.addEventListener('abort', () => say(`lost ${String(store.lost.reason)}`));

await orders.consume('audit', { start: 'latest', inFlightMax: 20, isOrdered: false }, async ({ event }) => {
  if (run === 'full') await systemClock.until(Number.POSITIVE_INFINITY, store.lost);
  say(`settled ${idOf(event)} ${event.body.length}`);
  return { kind: 'settled' };
});

let last = 0;
async function write(): Promise<void> {
  for (;;) {
    const id = `${run}-${(last += 1)}`;
    const bytes = 200 + (last % 1500);
    await orders.publish({ ...anEvent(id), body: Buffer.alloc(bytes, id) });
    say(`acked ${id} ${bytes}`);
  }
}
await Promise.all(Array.from({ length: 32 }, () => write())).catch((error: unknown) => {
  say(`refused ${String(error)}`);
});
await store.close();
