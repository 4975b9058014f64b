import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openSmallPlatform } from '../test/kit/small-platform.ts';
import { answerRequests } from './child.ts';

/** A platform with so many services of one function, and so many runners that wait for them: `COUNT WARM DIRECTORY`. */
const [count = '1', warm = '0', directory = ''] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'millrace-crowd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const launch = { kind: 'function', entry: 'index.mjs' } as const;
const names = Array.from({ length: Number(count) }, (_, i) => `worker-${i}`);
const platform = await openSmallPlatform({
  folder,
  warm: Number(warm),
  channels: {},
  services: Object.fromEntries(names.map((name) => [name, { directory, launch }])),
});
/** Processes that were there when all was at zero. */
let pids: readonly number[] = [];
/** What a former instance still has to do at its end is not to be measured. */
const QUIET_MS = 100;

/** Time that a process has had a core, all its threads together. */
function cpuMsOf(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.reduce((sum, thread) => {
      const [ranNs = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      return sum + Number(ranNs) / 1e6;
    }, 0);
  } catch {
    return 0; // it has gone
  }
}

/** The autoscaler may think otherwise for a moment, and start one again. */
async function allToZero(): Promise<void> {
  do {
    await Promise.all(names.map((each) => platform.serving.scaleToZero(`demo/${each}-00001`)));
  } while (platform.serving.snapshot().some(({ instances }) => instances.length > 0));
}

answerRequests(async ({ name }) => {
  switch (name) {
    case 'toZero':
      await allToZero();
      await platform.runtime.warmedUp();
      await pause(QUIET_MS);
      if (platform.serving.snapshot().some(({ instances }) => instances.length > 0)) await allToZero();
      ({ pids } = platform.runtime);
      return {};
    case 'cpu':
      return { ms: [process.pid, ...pids].reduce((sum, pid) => sum + cpuMsOf(pid), 0) };
    default:
      throw new Error(`${name} is not known`);
  }
});
process.send?.({ port: Number(new URL(platform.eventsUrl).port) });
