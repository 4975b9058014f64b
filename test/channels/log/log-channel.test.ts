import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { LogStore } from '../../../src/channels/log/log-store.ts';
import { channelContract } from '../../contracts/channel.ts';

let folder: string;
let store: LogStore;
const openStore = () => LogStore.open({ file: join(folder, 'events.db'), clock: systemClock, graceMs: 200 });

channelContract('log', {
  clock: systemClock,
  tick: () => undefined,
  open: async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-log-'));
    store = await openStore();
    return store.channel('LogChannel/demo/orders', 'uid-1');
  },
  reopen: async () => {
    await store.close();
    store = await openStore();
    return store.channel('LogChannel/demo/orders', 'uid-1');
  },
  release: async () => {
    // A consumer that never answers, not even when its signal aborts, would hold close() up: such tests leave it behind.
    await Promise.race([
      store.close(),
      systemClock.until(systemClock.nowMs() + 400, new AbortController().signal),
    ]);
    rmSync(folder, { recursive: true, force: true });
  },
});
