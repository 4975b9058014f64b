import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { openSmallPlatform } from '../kit/small-platform.ts';

/**
 * A platform in a process of its own, to be killed: `node platform-child.ts FOLDER PORT SUBSCRIBER-URL`. Once it is ready
 * it prints how long that took since the process began, and for how much of it others had the cores.
 */
const [folder = '', port = '0', subscriberUri = ''] = process.argv.slice(2);
const delivery = { retry: 1000, backoffPolicy: 'linear', backoffDelay: 'PT0.05S', timeout: 'PT5S' } as const;
await openSmallPlatform({
  folder,
  port: Number(port),
  warm: 0,
  channels: { orders: [{ uid: 'audit', subscriberUri, delivery }] },
});
process.stdout.write(`${JSON.stringify({ upMs: performance.now(), waitedMs: waitedForCoresMs() })}\n`);

/** How long the main thread and the log's could run and did not: a busy machine is not the platform's doing. */
function waitedForCoresMs(): number {
  const tasks = '/proc/self/task';
  if (!existsSync(tasks)) return 0; // only Linux says it
  const waits = readdirSync(tasks).map((task) => {
    const name = readFileSync(`${tasks}/${task}/comm`, 'utf8').trim();
    const isOurs = task === String(process.pid) || name === 'millrace-log';
    const [, waitedNs = '0'] = readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ');
    return isOurs ? Number(waitedNs) / 1e6 : 0;
  });
  return waits.reduce((sum, each) => sum + each, 0);
}
