import { lookup } from 'node:dns/promises';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { KindRegistry } from '../apis/registry.ts';
import { KINDS } from '../apis/serving/types.ts';
import { openApiServer } from '../apiserver/api-server.ts';
import { openPki, writeKubeconfig } from '../apiserver/pki/pki.ts';
import { Lifecycle } from '../apiserver/storage/lifecycle.ts';
import { SqliteStore } from '../apiserver/storage/sqlite-store.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { createIngress } from '../channels/ingress/ingress.ts';
import { LogStore } from '../channels/log/log-store.ts';
import { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import { Informers } from '../control/informer.ts';
import { Dispatcher } from '../dispatcher/dispatcher.ts';
import { ByteBudget } from '../http/body.ts';
import { createOutbound } from '../http/outbound.ts';
import { answerText } from '../http/respond.ts';
import { openServer } from '../http/server.ts';
import { Pods } from '../serving/control/pods.ts';
import { PlanFeeder } from '../serving/control/plan-feeder.ts';
import { ImageStore } from '../serving/images/image-store.ts';
import { LOG_FILE_BOUNDS, LogFiles } from '../serving/runtime/process/log-files.ts';
import { ProcessRuntime } from '../serving/runtime/process/process-runtime.ts';
import { Serving } from '../serving/serving.ts';
import { Journal } from '../telemetry/journal.ts';
import { openLog } from '../telemetry/log.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { packageVersion } from '../cli/version.ts';
import { openDashboard } from './dashboard.ts';
import { SHIPPED_CONFIG_MAPS } from './config-maps.ts';
import { Channels } from './channel-host.ts';
import { SERVING_USER, startControllers } from './controllers.ts';
import { removeRunFile, takeDataDir, writeRunFile } from './data-dir.ts';
import { platformExtension } from './extension.ts';
import { InstanceStates } from './instance-states.ts';
import type { Address, Endpoints, PlatformOptions, RunningPlatform } from './options.ts';
import { podLogs } from './pod-logs.ts';
import { Teardown } from './teardown.ts';

const NAMESPACES = ['default', 'kube-system', 'knative-serving', 'knative-eventing'];
const JOURNAL_KEPT_MS = 24 * 3_600_000;

/** Composes a platform from every room, in order, and says how to stop it; undoes what it began when a step fails. */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const startedMs = performance.now();
  const teardown = new Teardown();
  try {
    const parts = await openParts(options, teardown);
    const { endpoints, failed } = parts;
    const kubeconfig = join(options.dataDir, 'kubeconfig');
    const notes = await notesFor(options);
    const readyInMs = Math.round(performance.now() - startedMs);
    return {
      endpoints,
      kubeconfig,
      readyInMs,
      notes,
      failed,
      close: (drainMs = options.drainMs) => teardown.run(drainMs),
    };
  } catch (error) {
    await teardown.run(0);
    throw error;
  }
}

async function openParts(
  options: PlatformOptions,
  teardown: Teardown,
): Promise<{ endpoints: Endpoints; failed: Promise<Error> }> {
  const { dataDir } = options;
  const clock = systemClock;
  const log = openLog(
    options.logFormat,
    (text) => process.stderr.write(text),
    () => clock.nowMs(),
  );
  const failure = Promise.withResolvers<Error>();
  const stop = new AbortController();
  teardown.last('data folder', takeDataDir(dataDir));
  const isReady = { value: false };

  // What keeps things.
  const journal = new Journal();
  teardown.last('journal', () => journal.close());
  const metrics = new Metrics();
  teardown.last('metrics', () => metrics.close());
  const [store, events] = await Promise.all([
    SqliteStore.open({
      file: join(dataDir, 'objects.db'),
      kinds: new KindRegistry(),
      clock,
      acceptLoss: options.acceptLoss,
      onFailure: (error) => failure.resolve(error),
    }),
    LogStore.open({
      file: join(dataDir, 'events.db'),
      clock,
      journal,
      acceptLoss: options.acceptLoss,
      graceMs: options.drainMs,
      bounds: {
        eventBytesMax: options.maxEventBytes,
        ...(options.maxBacklogBytes !== undefined && {
          backlogBytesMax: options.maxBacklogBytes,
          groupBacklogBytesMax: options.maxBacklogBytes / 4,
        }),
        ...(options.tailCacheBytes !== undefined && { tailCacheBytes: options.tailCacheBytes }),
      },
    }),
  ]);
  teardown.last('objects', () => store.close());
  teardown.last('events', () => events.close());
  events.lost.addEventListener('abort', () => failure.resolve(events.lost.reason as Error));
  await ship(store);
  const lifecycle = new Lifecycle(store);
  lifecycle.start();
  teardown.first('lifecycle', () => lifecycle.close());

  // What runs things.
  const logs = new LogFiles({ folder: join(dataDir, 'logs'), ...LOG_FILE_BOUNDS });
  const hosts: { suffix: string; host: string; port: number }[] = [];
  const runtime = ProcessRuntime.open({
    folder: join(dataDir, 'runtime'),
    warm: options.warmRunners,
    logs,
    routes: () => hosts,
  });
  const images = new ImageStore(join(dataDir, 'images'), (directory, entry) =>
    runtime.check(directory, entry),
  );
  const servingClient = new EmbeddedClient(store, SERVING_USER);
  const pods = new Pods(servingClient, (error) =>
    log({ level: 'warn', message: 'a Pod object could not be written', fields: { error: messageOf(error) } }),
  );
  const states = new InstanceStates();
  const late = { enqueueRevision: (_key: string): void => undefined };
  const serving = new Serving({
    runtime,
    clock,
    observe(event) {
      states.observe(event);
      pods.follow(event);
      late.enqueueRevision(event.revision);
    },
  });
  await pods.clear();

  // The doors, in the order in which they open; they close in reverse, before what stands behind them.
  const limits = { maxBytes: options.maxEventBytes, budget: new ByteBudget(options.maxInflightBytes) };
  const addresses: { events?: Address; gateway?: Address } = {};
  const outbound = createOutbound({
    route: (host) => {
      const listener = serving.listenerFor(host);
      return listener === 'internal'
        ? addresses.events
        : listener === 'public'
          ? addresses.gateway
          : undefined;
    },
  });
  const dispatcher = new Dispatcher({ outbound, clock, replyBytesMax: options.maxEventBytes });
  const channels = new Channels({
    store: events,
    dispatcher,
    clock,
    graceMs: options.drainMs,
    urlOf: (namespace, name) =>
      `http://${addresses.events?.host}:${addresses.events?.port}/channels/${namespace}/${name}`,
  });
  const ingress = createIngress({ find: (namespace, name) => channels.door(namespace, name), limits, clock });
  const internal = serving.gateway('internal', ingress);
  const eventsServer = await openServer({
    name: 'events',
    flag: '--events',
    ...options.events,
    ...internal,
    requestTimeoutMs: 0,
  });
  addresses.events = { host: options.events.host, port: eventsServer.port };
  const outer = serving.gateway('public', (_request, response) =>
    answerText(response, 404, 'no service answers to this host'),
  );
  const gatewayServer = await openServer({
    name: 'gateway',
    flag: '--gateway',
    ...options.gateway,
    ...outer,
    requestTimeoutMs: 0,
  });
  addresses.gateway = { host: options.gateway.host, port: gatewayServer.port };
  hosts.push(
    { suffix: '.svc.cluster.local', ...addresses.events },
    { suffix: `.${options.domain}`, ...addresses.gateway },
  );

  // What decides things.
  const informers = new Informers({ reader: servingClient, clock, random: Math.random });
  const feeder = new PlanFeeder({
    reader: servingClient,
    informers,
    serving,
    clock,
    random: Math.random,
    domain: options.domain,
    bundleOf: (digest) => images.resolve(digest),
  });
  const controllers = startControllers({
    store,
    informers,
    clock,
    log,
    host: channels,
    revision: {
      resolveImage: (reference) => images.resolve(reference),
      instances: states.view(serving, (key) => feeder.problemOf(key)),
      defaultInitialScale: () =>
        Number(
          Reflect.get(
            Object(
              Reflect.get(
                Object(
                  informers
                    .of({ apiVersion: 'v1', kind: 'ConfigMap' })
                    .get('knative-serving/config-autoscaler'),
                ),
                'data',
              ),
            ),
            'initial-scale',
          ) ?? 1,
        ),
    },
    route: { urlOf: publicUrls(options, gatewayServer.port) },
  });
  late.enqueueRevision = controllers.enqueueRevision;
  feeder.start();
  informers.of(KINDS.pod).onChange((pod, type) => {
    const revision = pod.metadata.labels?.['serving.knative.dev/revision'];
    if (type === 'DELETED' && revision !== undefined)
      void serving.replaceInstance(`${pod.metadata.namespace}/${revision}`, pod.metadata.name);
  });
  await informers.synced();

  const status = (): Promise<unknown> => statusOf(options, endpoints, channels, isReady.value);
  const pki = await openPki(
    join(dataDir, 'pki'),
    [...new Set(['127.0.0.1', 'localhost', options.api.host])],
    clock.nowMs(),
  );
  const apiServer = await openApiServer({
    store,
    pki,
    ...options.api,
    clock,
    logs: podLogs(logs),
    isReady: () => (isReady.value ? undefined : 'the platform is starting or stopping'),
    extensions: [
      platformExtension({
        images,
        journal,
        storedJournal: () => events.journalRows(clock.nowMs() - JOURNAL_KEPT_MS),
        channels: () => channels.all(),
        status,
        backup: (folder) => backup(folder, store, events),
        clock,
        stop: stop.signal,
      }),
    ],
  });
  const dashboard = await openDashboard({
    address: options.dashboard,
    status,
    journal,
    metrics,
    channels: () => channels.all(),
    serving,
    isReady: () => isReady.value,
  });
  const endpoints: Endpoints = {
    api: `https://${options.api.host}:${apiServer.port}`,
    gateway: `http://${options.gateway.host}:${gatewayServer.port}`,
    events: `http://${options.events.host}:${eventsServer.port}`,
    dashboard: `http://${options.dashboard.host}:${dashboard.port}`,
  };
  writeKubeconfig(join(dataDir, 'kubeconfig'), endpoints.api, pki);
  writeRunFile(dataDir, {
    pid: process.pid,
    version: packageVersion(),
    dataDir,
    kubeconfig: join(dataDir, 'kubeconfig'),
    endpoints,
  });
  isReady.value = true;

  teardown.first('run file', () => removeRunFile(dataDir));
  teardown.step('readiness', () => {
    isReady.value = false;
    stop.abort();
  });
  teardown.step('controllers', async () => {
    await controllers.close();
    await feeder.close();
  });
  teardown.step('doors', async (drainMs) => {
    await Promise.all([gatewayServer.close(drainMs), dashboard.close(1000), apiServer.close(1000)]);
  });
  teardown.step('deliveries', () => channels.close());
  teardown.step('internal door', (drainMs) => eventsServer.close(drainMs));
  teardown.step('instances', async (drainMs) => {
    await serving.close(drainMs);
    await pods.settled();
    logs.close();
  });
  teardown.step('informers', () => informers.stop());
  teardown.step('connections', () => outbound.destroy());
  return { endpoints, failed: failure.promise };
}

/** What a new platform has from the start. */
async function ship(store: SqliteStore): Promise<void> {
  const writer = { user: 'system:masters' };
  for (const name of NAMESPACES) {
    if (store.find({ group: '', kind: 'Namespace', namespace: undefined, name }) === undefined) {
      await store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { writer });
    }
  }
  for (const { namespace, name, data } of SHIPPED_CONFIG_MAPS) {
    if (store.find({ group: '', kind: 'ConfigMap', namespace, name }) !== undefined) continue;
    await store.create(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, ...{ data } },
      { writer },
    );
  }
}

function publicUrls(
  { publicUrl, domain }: PlatformOptions,
  port: number,
): (namespace: string, name: string) => string {
  const base = publicUrl === undefined ? undefined : new URL(publicUrl);
  const [scheme, suffix, shownPort] =
    base === undefined
      ? ['http:', domain, port === 80 ? '' : `:${port}`]
      : [base.protocol, base.hostname, base.port === '' ? '' : `:${base.port}`];
  return (namespace, name) => `${scheme}//${name}.${namespace}.${suffix}${shownPort}`;
}

async function statusOf(
  options: PlatformOptions,
  endpoints: Endpoints,
  channels: Channels,
  isReady: boolean,
): Promise<unknown> {
  const subscriptions = await Promise.all(
    channels
      .all()
      .map(async ({ key, channel }) =>
        (await channel.backlog()).map((backlog) => ({ channel: key, ...backlog })),
      ),
  );
  return {
    version: packageVersion(),
    pid: process.pid,
    ready: isReady,
    dataDir: options.dataDir,
    kubeconfig: join(options.dataDir, 'kubeconfig'),
    endpoints,
    subscriptions: subscriptions.flat(),
  };
}

async function backup(folder: string, store: SqliteStore, events: LogStore): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await store.backup(join(folder, 'objects.db'));
  await events.backup(join(folder, 'events.db'));
}

/** `*.localhost` is no name to every resolver; then people have to know the ways out (contract: Listeners). */
async function notesFor({ domain, gateway }: PlatformOptions): Promise<string[]> {
  if (domain !== 'localhost') return [];
  const found = await lookup('service.default.localhost').catch(() => undefined);
  if (found !== undefined) return [];
  const example = `curl -H 'Host: NAME.NAMESPACE.localhost' http://${gateway.host}:${gateway.port}/`;
  return [
    `*.localhost does not resolve for every program here (curl and browsers know it); use ${example}, or --domain with a name that does resolve`,
  ];
}
