import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SubscriberEntry } from '../../src/apis/duck.ts';
import { systemClock } from '../../src/base/clock.ts';
import { createIngress, type Door } from '../../src/channels/ingress/ingress.ts';
import type { LogChannel } from '../../src/channels/log/log-channel.ts';
import { LogStore } from '../../src/channels/log/log-store.ts';
import { Dispatcher } from '../../src/dispatcher/dispatcher.ts';
import { ByteBudget } from '../../src/http/body.ts';
import { createOutbound } from '../../src/http/outbound.ts';
import { openServer } from '../../src/http/server.ts';
import type { InstanceEvent } from '../../src/serving/activator/pool-tools.ts';
import { localHostsOf, type RevisionPlan, type ScalePlan } from '../../src/serving/plan.ts';
import type { LogSink } from '../../src/serving/runtime/process/output.ts';
import { ProcessRuntime } from '../../src/serving/runtime/process/process-runtime.ts';
import type {
  ContainerSpec,
  Launch,
  ProbeAction,
  ProbeSpec,
} from '../../src/serving/runtime/container-spec.ts';
import type { InstanceSpec } from '../../src/serving/runtime/runtime.ts';
import { Serving } from '../../src/serving/serving.ts';
import { planDelivery } from '../../src/subscriptions/delivery-plan.ts';

export type SmallPlatform = {
  readonly eventsUrl: string;
  readonly serving: Serving;
  readonly runtime: ProcessRuntime;
  readonly channel: (name: string) => LogChannel;
  readonly close: () => Promise<void>;
};

export type SmallPlatformOptions = {
  readonly folder: string;
  readonly port?: number;
  readonly warm?: number;
  readonly logs?: LogSink; // what instances print
  readonly observe?: (event: InstanceEvent) => void;
  /** Subscribers by channel; every channel named here exists. */
  readonly channels: Readonly<Record<string, readonly SubscriberEntry[]>>;
  readonly services?: Readonly<
    Record<
      string,
      {
        readonly directory: string;
        readonly launch: Launch;
        readonly plan?: Partial<RevisionPlan>;
        readonly scale?: Partial<ScalePlan>;
      }
    >
  >;
};

export const SCALE: ScalePlan = {
  scaler: { kind: 'kpa' },
  isReachable: true,
  minScale: 0,
  maxScale: 0,
  initialScale: 0,
  activationScale: 1,
  metric: 'concurrency',
  target: 70,
  total: 100,
  burstCapacity: 211,
  algorithm: 'linear',
  windowMs: 60_000,
  panicWindowMs: 6000,
  panicThreshold: 2,
  maxScaleUpRate: 1000,
  maxScaleDownRate: 2,
  scaleDownDelayMs: 0,
  retentionMs: 0,
  progressDeadlineMs: 600_000,
  isScaledToZero: true,
};

/** The hot path from real parts and plain plans: events listener, log, dispatcher, gateway, warm runners. No API. */
export async function openSmallPlatform(options: SmallPlatformOptions): Promise<SmallPlatform> {
  const { folder, channels, services = {}, observe } = options;
  mkdirSync(folder, { recursive: true });
  const store = await LogStore.open({ file: join(folder, 'events.db'), clock: systemClock, graceMs: 2000 });
  const opened = new Map<string, LogChannel>();
  for (const name of Object.keys(channels))
    opened.set(name, await store.channel(`LogChannel/demo/${name}`, `uid-${name}`));

  const runtime = ProcessRuntime.open({
    folder: join(folder, 'runtime'),
    warm: options.warm ?? 2,
    logs: options.logs ?? { write: () => undefined },
    routes: () => [],
  });
  const serving = new Serving({ runtime, clock: systemClock, ...(observe && { observe }) });
  for (const [name, { directory, launch, plan, scale }] of Object.entries(services)) {
    serving.setRevision({ ...revisionPlan(name, directory, launch), ...plan, scale: { ...SCALE, ...scale } });
    serving.setRoute({
      key: `demo/${name}`,
      publicHosts: [`${name}.demo.localhost`],
      localHosts: localHostsOf('demo', name),
      targets: [{ revision: `demo/${name}-00001`, percent: 100 }],
    });
  }

  const limits = { maxBytes: 32 * 1024 * 1024, budget: new ByteBudget(256 * 1024 * 1024) };
  const ingress = createIngress({ find: (_, name) => doorOf(opened, name), limits, clock: systemClock });
  const server = await openServer({
    name: 'events',
    host: '127.0.0.1',
    port: options.port ?? 0,
    ...serving.gateway('internal', ingress),
    requestTimeoutMs: 0,
  });
  const outbound = createOutbound({
    route: (host) => (serving.answersTo(host) ? { host: '127.0.0.1', port: server.port } : undefined),
  });
  const dispatcher = new Dispatcher({ outbound, clock: systemClock, replyBytesMax: limits.maxBytes });
  for (const [name, entries] of Object.entries(channels)) await serve(dispatcher, opened, name, entries);

  return {
    eventsUrl: `http://127.0.0.1:${server.port}`,
    serving,
    runtime,
    channel: (name) => found(opened, name),
    async close() {
      await server.close(2000);
      await store.close();
      await serving.close(2000);
      await outbound.destroy();
    },
  };
}

async function serve(
  dispatcher: Dispatcher,
  opened: Map<string, LogChannel>,
  name: string,
  entries: readonly SubscriberEntry[],
): Promise<void> {
  const object = {
    apiVersion: 'messaging.knative.dev/v1',
    kind: 'LogChannel',
    metadata: { namespace: 'demo', name },
  };
  const plans = entries.map((entry) => planDelivery(object, entry));
  const valid = plans.filter((plan) => plan.kind === 'plan');
  if (valid.length < plans.length) throw new Error(JSON.stringify(plans));
  await dispatcher.serve(`LogChannel/demo/${name}`, found(opened, name), valid);
}

function doorOf(opened: Map<string, LogChannel>, name: string): Door | undefined {
  const channel = opened.get(name);
  return channel && { channel, key: `LogChannel/demo/${name}` };
}

function found(opened: Map<string, LogChannel>, name: string): LogChannel {
  const channel = opened.get(name);
  if (channel === undefined) throw new Error(`no channel ${name}`);
  return channel;
}

export function revisionPlan(name: string, directory: string, launch: Launch): RevisionPlan {
  const instance: InstanceSpec = {
    namespace: 'demo',
    revision: `${name}-00001`,
    service: name,
    configuration: name,
    containers: [aContainer({ directory, launch, isServing: true, readiness: aProbe(TCP) })],
    initContainers: [],
    volumes: [],
    readyTimeoutMs: 10_000,
  };
  return {
    key: `demo/${name}-00001`,
    instance,
    containerConcurrency: 0,
    protocol: 'http1',
    timeoutMs: 300_000,
    responseStartTimeoutMs: 0,
    idleTimeoutMs: 0,
    scale: SCALE,
  };
}

export const TCP: ProbeAction = { kind: 'tcp', port: undefined };

/** Knative's default timing, unless told otherwise. */
export function aProbe(action: ProbeAction, more: Partial<ProbeSpec> = {}): ProbeSpec {
  return {
    action,
    initialDelayMs: 0,
    periodMs: 0,
    timeoutMs: 1000,
    successThreshold: 1,
    failureThreshold: 3,
    ...more,
  };
}

/** A sidecar without probes, mounts and bounds, unless told otherwise. */
export function aContainer(more: Partial<ContainerSpec>): ContainerSpec {
  return {
    name: 'user-container',
    image: 'dev.local/it@sha256:0',
    directory: '/',
    launch: { kind: 'program', command: ['true'] },
    env: {},
    idEnv: [],
    workingDir: undefined,
    isServing: false,
    containerPort: undefined,
    readiness: undefined,
    liveness: undefined,
    startup: undefined,
    mounts: [],
    limits: { memoryBytes: undefined, milliCpus: undefined },
    user: { uid: undefined, gid: undefined, mustNotBeRoot: false },
    unhonoured: [],
    ...more,
  };
}

/** The same, with something of its containers changed. */
export function withContainer(spec: InstanceSpec, more: Partial<ContainerSpec>): InstanceSpec {
  return { ...spec, containers: spec.containers.map((container) => ({ ...container, ...more })) };
}
