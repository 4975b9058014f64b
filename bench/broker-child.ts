import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import type { ChannelSpec, Settings } from '../src/channels/backend.ts';
import type { Channel } from '../src/channels/channel.ts';
import { createIngress } from '../src/channels/ingress/ingress.ts';
import { LogStore } from '../src/channels/log/log-store.ts';
import { Dispatcher } from '../src/dispatcher/dispatcher.ts';
import { ByteBudget } from '../src/http/body.ts';
import { createOutbound } from '../src/http/outbound.ts';
import { openServer } from '../src/http/server.ts';
import { BACKED_KINDS } from '../src/platform/adapters.ts';
import { planDelivery } from '../src/subscriptions/delivery-plan.ts';
import { answerRequests } from './child.ts';

/** One channel of a kind in a process of its own, with its door and its dispatcher; `LogChannel` is the embedded log. */
export type BrokerPlan = {
  readonly kind: string;
  readonly settings: Settings;
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly subscribers: readonly string[]; // URLs
  readonly inFlightMax: number;
};

const NAMESPACE = 'bench';
const GRACE_MS = 1000;
const plan = JSON.parse(process.argv[2] ?? '') as BrokerPlan; // as the benches write it
const key = `${plan.kind}/${NAMESPACE}/${plan.name}`;
let remove: (() => Promise<void>) | undefined;
const channel = await openChannel();
const limits = { maxBytes: 32 * 1024 * 1024, budget: new ByteBudget(256 * 1024 * 1024) };
const ingress = createIngress({ find: () => ({ channel, key }), limits, clock: systemClock });
const server = await openServer({
  name: 'events',
  host: '127.0.0.1',
  port: 0,
  onRequest: ingress,
  requestTimeoutMs: 0,
});
const outbound = createOutbound({ route: () => undefined });
const dispatcher = new Dispatcher({ outbound, clock: systemClock, replyBytesMax: limits.maxBytes });
const object = {
  apiVersion: 'messaging.knative.dev/v1alpha1',
  kind: plan.kind,
  metadata: {
    namespace: NAMESPACE,
    name: plan.name,
    annotations: { 'delivery.millrace.dev/max-in-flight': String(plan.inFlightMax) },
  },
};
const planned = plan.subscribers.map((subscriberUri, i) =>
  planDelivery(object, { uid: `sink-${i}`, subscriberUri }),
);
const served = await dispatcher.serve(key, channel, planned);
const waiting = served.find((each) => each.kind === 'waiting');
if (waiting !== undefined) throw new Error(`${waiting.group} is not served: ${waiting.reason}`);

async function openChannel(): Promise<Channel> {
  if (plan.kind === 'LogChannel') {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    const store = await LogStore.open({
      file: join(folder, 'events.db'),
      clock: systemClock,
      graceMs: GRACE_MS,
    });
    return store.channel(key, 'uid-bench');
  }
  const kind = BACKED_KINDS.find((each) => each.kind === plan.kind);
  if (kind === undefined) throw new Error(`there is no channel kind ${plan.kind}`);
  const adapter = await kind.load();
  const tools = { clock: systemClock, random: Math.random, graceMs: GRACE_MS };
  const backend = await adapter.connect(plan.settings, tools);
  const spec: ChannelSpec = {
    key,
    uid: `uid-${plan.name}`,
    namespace: NAMESPACE,
    name: plan.name,
    spec: plan.spec,
    externalName: undefined,
    groups: [],
    claim: { isOurs: true, make: async () => undefined },
  };
  const backed = await backend.open(spec);
  backed.lost.addEventListener('abort', () => {
    throw backed.lost.reason;
  });
  remove = async () => void (await backed.remove());
  return backed;
}

answerRequests(async ({ name }) => {
  switch (name) {
    case 'memory':
      return { ...process.memoryUsage() };
    case 'owed':
      return { events: Math.max(0, ...(await channel.backlog()).map(({ events }) => events)) };
    case 'remove':
      await remove?.();
      return {};
    default:
      throw new Error(`${name} is not known`);
  }
});
process.send?.({ port: server.port });
