import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { LogStore } from '../src/channels/log/log-store.ts';
import type { EventSink } from '../src/events/sink.ts';
import { ByteBudget } from '../src/http/body.ts';
import { openServer } from '../src/http/server.ts';
import { createDoor } from '../src/sources/door/door.ts';
import { planGitHubSource } from '../src/sources/github/plan.ts';
import { gitHubDoor } from '../src/sources/github/receiver.ts';
import { Journal } from '../src/telemetry/journal.ts';
import { answerRequests } from './child.ts';

/**
 * The webhook door with one GitHubSource, and a durable channel behind it whose one group settles each event at once: what
 * it costs to deliver them is measured elsewhere. No API.
 */
const secret = process.argv[2] ?? '';
let settled = 0;
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const journal = new Journal();
const store = await LogStore.open({ file: join(folder, 'events.db'), clock: systemClock, journal });
const channel = await store.channel('LogChannel/demo/pushes', 'uid-pushes');
const options = { start: 'latest', inFlightMax: 100, isOrdered: false } as const;
await channel.consume('all', options, async () => {
  settled += 1;
  return { kind: 'settled' };
});

const plan = planGitHubSource({
  apiVersion: 'sources.knative.dev/v1alpha1',
  kind: 'GitHubSource',
  metadata: { namespace: 'demo', name: 'repository', uid: 'u-1' },
  spec: { ownerAndRepository: 'Codertocat/Hello-World', eventTypes: ['push'] },
  status: { sinkUri: 'http://127.0.0.1/channels/demo/pushes' },
});
const source = gitHubDoor(plan, () => secret);
const sink: EventSink = { send: (event) => channel.publish(event) };
const server = await openServer({
  name: 'gateway',
  host: '127.0.0.1',
  port: 0,
  requestTimeoutMs: 0,
  onRequest: createDoor({
    find: () => source,
    sinkFor: () => sink,
    clock: systemClock,
    budget: new ByteBudget(256 * 1024 * 1024),
    onError: (error) => {
      throw error;
    },
  }),
});
answerRequests(async () => {
  const seen = settled;
  settled = 0;
  return { seen, owed: (await channel.backlog())[0]?.events ?? 0 };
});
process.send?.({ port: server.port });
