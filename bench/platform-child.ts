import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSmallPlatform } from '../test/kit/small-platform.ts';
import { answerRequests } from './child.ts';

/** The hot path in a process of its own: a channel whose one subscriber is `argv[2]`, a service from folder `argv[3]`. */
const [subscriberUri = '', directory = ''] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
const platform = await openSmallPlatform({
  folder,
  channels: {
    durable: [{ uid: 'sink', subscriberUri }],
    wakes: [{ uid: 'service', subscriberUri: 'http://worker.demo.svc.cluster.local/' }],
  },
  services: { worker: { directory, launch: { kind: 'function', entry: 'index.mjs' } } },
});
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
await platform.runtime.warmedUp();

const REVISION = 'demo/worker-00001';
answerRequests(async ({ name }) => {
  if (name === 'profile') process.exit(0);
  if (name === 'zero') {
    const { ready } = platform.serving.countsOf(REVISION);
    if (ready > 0) await platform.serving.scaleToZero(REVISION);
    await platform.runtime.warmedUp();
  }
  return {};
});
process.send?.({ port: Number(new URL(platform.eventsUrl).port) });
