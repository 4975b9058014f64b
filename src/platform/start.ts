import { lookup } from 'node:dns/promises';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { API_NAMES, openApiServer, type Extension } from '../apiserver/api-server.ts';
import { openPki, writeKubeconfig, type Pki } from '../apiserver/pki/pki.ts';
import { VERSION } from '../apiserver/discovery/discovery.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { packageVersion } from '../cli/version.ts';
import { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { RevisionIdentity } from './metrics/identity.ts';
import { ServingMetrics } from './metrics/serving-metrics.ts';
import { PodMeter } from '../serving/usage/pod-meter.ts';
import type { InstanceUsage } from '../serving/usage/usage-meter.ts';
import type { OpenServer } from '../http/server.ts';
import { openLog, type Log } from '../telemetry/log.ts';
import { ControlPlane } from './control-plane.ts';
import { SERVING_USER } from './controllers.ts';
import { openDashboard } from './dashboard.ts';
import { openDataPlane, type DataPlane, type DataPlaneHooks } from './data-plane.ts';
import { removeRunFile, writeRunFile } from './data-dir.ts';
import { platformExtension } from './extension.ts';
import type { Endpoints, PlatformOptions, RunningPlatform } from './options.ts';
import { Outboxes } from './outboxes.ts';
import { podAccess } from './pod-access.ts';
import { PLATFORM_LOG, podLogs } from './pod-logs.ts';
import { resourceMetrics } from './metrics/resource-metrics.ts';
import { knownRevisions, revisionIdentities } from './metrics/revision-identity.ts';
import { RequestLogs } from './request-logs.ts';
import { SelfKeeper, selfFacts } from './self/self-keeper.ts';
import { statusOf } from './status/status.ts';
import { openStores, type Stores } from './stores.ts';
import { Teardown } from './teardown.ts';
import { subscribersOf } from './trace/subscribers.ts';
import { UsageRecords } from './usage/usage.ts';
import { Webhooks } from './webhooks.ts';

const JOURNAL_KEPT_MS = 24 * 3_600_000;
const FACE_DRAIN_MS = 1000;

/** Composes a platform from every room, in order, and says how to stop it; undoes what it began when a step fails. */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const startedMs = performance.now();
  const teardown = new Teardown();
  try {
    const { endpoints, failed } = await compose(options, teardown);
    const kubeconfig = join(options.dataDir, 'kubeconfig');
    const notes = await notesFor(options, endpoints);
    const readyInMs = Math.round(performance.now() - startedMs);
    const close = (drainMs = options.drainMs): Promise<void> => teardown.run(drainMs);
    return { endpoints, kubeconfig, readyInMs, notes, failed, close };
  } catch (error) {
    await teardown.run(0);
    throw error;
  }
}

type Faces = { readonly endpoints: Endpoints; readonly close: () => Promise<void> };

async function compose(
  options: PlatformOptions,
  teardown: Teardown,
): Promise<{ endpoints: Endpoints; failed: Promise<Error> }> {
  const { dataDir } = options;
  const { log, keepLines } = openPlatformLog(options.logFormat);
  const stores = await openStores(options, teardown);
  const control = new ControlPlane(stores, log);
  const identityOf = revisionIdentities(control.informers);
  const usage = await openUsage(options, identityOf, log);
  const servingMetrics = new ServingMetrics(identityOf, knownRevisions(control.informers));
  teardown.last('serving metrics', () => servingMetrics.close());
  const requestLogs = new RequestLogs(identityOf);
  requestLogs.follow(control.informers);
  const webhooks = new Webhooks();
  const state = { isReady: false, stop: new AbortController() };
  const plane = await openPlane(options, stores, control, {
    isReady: () => state.isReady,
    observe(event) {
      usage.observe(event);
      control.observe(event);
      requestLogs.observe(event);
    },
    requestLog: requestLogs,
    onOtherHost: webhooks.onOtherHost,
  });
  teardown.step('readiness', () => {
    state.isReady = false;
    state.stop.abort();
  });
  teardown.step('decisions', () => control.stopDeciding());
  teardown.step('pods', (drainMs) => plane.pods.close(drainMs));
  teardown.step('public door', (drainMs) => plane.gateway.close(drainMs));
  teardown.step('deliveries', () => plane.channels.close());
  teardown.step('internal door', (drainMs) => plane.eventsServer.close(drainMs));
  teardown.step('instances', (drainMs) => plane.serving.close(drainMs));
  teardown.step('usage', () => usage.close());
  teardown.step('informers', () => control.stop());
  teardown.step('connections', () => plane.outbound.destroy());
  requestLogs.open(plane.logs);
  plane.logs.begin(PLATFORM_LOG, { namespace: PLATFORM_LOG, revision: 'log' });
  keepLines((text) => plane.logs.write(PLATFORM_LOG, 'stderr', Buffer.from(text)));
  teardown.step('logs', () => {
    keepLines(() => undefined);
    plane.logs.close();
  });
  const outboxes = new Outboxes(stores, plane);
  await control.start(options, stores, plane, outboxes, log);
  await webhooks.open(outboxes, plane, control.informers, log);
  const faces = await openFaces(
    options,
    { ...stores, usage, servingMetrics },
    plane,
    outboxes,
    control,
    state,
  );
  teardown.first('faces', () => faces.close());
  writeRunFile(dataDir, {
    pid: process.pid,
    version: packageVersion(),
    dataDir,
    kubeconfig: join(dataDir, 'kubeconfig'),
    endpoints: faces.endpoints,
  });
  teardown.first('run file', () => removeRunFile(dataDir));
  state.isReady = true;
  keepSelf(stores, control, faces.endpoints, teardown, log);
  return { endpoints: faces.endpoints, failed: stores.failed };
}

/** The platform's own log; each line of it goes to whoever keeps lines, too. */
function openPlatformLog(format: PlatformOptions['logFormat']): {
  readonly log: Log;
  readonly keepLines: (keep: (text: string) => void) => void;
} {
  let keepLine: (text: string) => void = () => undefined;
  const write = (text: string): void => {
    process.stderr.write(text);
    keepLine(text);
  };
  const log = openLog(format, write, () => systemClock.nowMs());
  return { log, keepLines: (keep) => (keepLine = keep) };
}

function openUsage(
  { dataDir }: PlatformOptions,
  identityOf: (key: string) => RevisionIdentity,
  log: Log,
): Promise<UsageRecords> {
  return UsageRecords.open({
    folder: join(dataDir, 'usage'),
    clock: systemClock,
    log,
    identityOf(key) {
      const { namespace, service, revision } = identityOf(key);
      return { namespace, service, revision };
    },
  });
}

/** The objects that stand for the platform itself are there a moment after it is ready. */
function keepSelf(
  { objects }: Stores,
  { informers }: ControlPlane,
  endpoints: Endpoints,
  teardown: Teardown,
  log: Log,
): void {
  const versions = { version: packageVersion(), kubernetes: VERSION.gitVersion };
  const facts = selfFacts(endpoints, versions, systemClock.nowMs());
  const keeper = new SelfKeeper(new EmbeddedClient(objects, SERVING_USER), facts, (error) =>
    log({
      level: 'warn',
      message: 'an object that stands for the platform could not be written',
      fields: { error: messageOf(error) },
    }),
  );
  keeper.start(informers);
  teardown.first('own objects', () => keeper.close());
}

/** Where a door cannot be had, the informers that follow already are stopped: they would keep the process alive. */
async function openPlane(
  options: PlatformOptions,
  stores: Stores,
  control: ControlPlane,
  hooks: DataPlaneHooks,
): Promise<DataPlane> {
  try {
    return await openDataPlane(options, stores, hooks);
  } catch (error) {
    await control.stop();
    throw error;
  }
}

/** What people and their tools talk to: the API and the dashboard. */
async function openFaces(
  options: PlatformOptions,
  stores: Stores & { readonly usage: UsageRecords; readonly servingMetrics: ServingMetrics },
  plane: DataPlane,
  outboxes: Outboxes,
  control: ControlPlane,
  state: { readonly isReady: boolean; readonly stop: AbortController },
): Promise<Faces> {
  const { dataDir, api } = options;
  const { objects: store, events, journal, metrics, usage, servingMetrics } = stores;
  const clock = systemClock;
  const channels = (): ReturnType<typeof plane.channels.all> => [...plane.channels.all(), ...outboxes.all()];
  const isReady = (): boolean => state.isReady;
  const podMeter = new PodMeter(() => plane.pods.running(), clock);
  const figures = async (): Promise<readonly InstanceUsage[]> =>
    (await Promise.all([usage.now(), podMeter.now()])).flat();
  const status = (): Promise<unknown> =>
    statusOf({
      dataDir,
      endpoints: () => endpoints,
      store,
      channels: () => plane.channels.all(),
      figures,
      isReady,
    });
  const extension = platformExtension({
    images: plane.images,
    onPushed: () => control.imagePushed(),
    journal,
    storedJournal: () => events.journalRows(clock.nowMs() - JOURNAL_KEPT_MS),
    subscribersOf: (channel) => subscribersOf(store, channel),
    channels,
    status,
    backup: (folder) => backup(folder, stores),
    clock,
    usage,
    stop: state.stop.signal,
  });
  const metricsApi = resourceMetrics({ store, figures, nowMs: () => clock.nowMs() });
  const { apiServer, pki } = await openApi(options, stores, plane, [extension, metricsApi], isReady);
  const dashboard = await openDashboard({
    address: options.dashboard,
    status,
    journal,
    metrics,
    channels,
    serving: plane.serving,
    servingMetrics,
    controlMetrics: control.metrics,
    usage,
    isReady,
  }).catch(async (error: unknown) => {
    await apiServer.close(0);
    throw error;
  });
  const endpoints: Endpoints = {
    api: `https://${api.host}:${apiServer.port}`,
    gateway: `http://${options.gateway.host}:${plane.gateway.plain.port}`,
    ...secureEndpoint(options, plane),
    events: `http://${options.events.host}:${plane.eventsServer.port}`,
    dashboard: `http://${options.dashboard.host}:${dashboard.port}`,
  };
  writeKubeconfig(join(dataDir, 'kubeconfig'), endpoints.api, pki);
  const close = async (): Promise<void> =>
    void (await Promise.all([apiServer.close(FACE_DRAIN_MS), dashboard.close(FACE_DRAIN_MS)]));
  return { endpoints, close };
}

/** Where the API is inside the cluster, as programs there expect it. */
const HTTPS = 443;

async function openApi(
  { dataDir, api }: PlatformOptions,
  { objects: store, tokens }: Stores,
  plane: DataPlane,
  extensions: readonly Extension[],
  isReady: () => boolean,
): Promise<{ readonly apiServer: OpenServer; readonly pki: Pki }> {
  const clock = systemClock;
  const hosts = [...new Set(['127.0.0.1', 'localhost', api.host, ...API_NAMES])];
  const pki = await openPki(join(dataDir, 'pki'), hosts, clock.nowMs());
  const apiServer = await openApiServer({
    store,
    tokens,
    pki,
    ...api,
    clock,
    logs: podLogs(plane.logs),
    pods: podAccess(plane.runtime),
    isReady: () => (isReady() ? undefined : 'the platform is starting or stopping'),
    extensions,
  });
  plane.leadInside(API_NAMES, HTTPS, { host: api.host, port: apiServer.port });
  return { apiServer, pki };
}

function secureEndpoint(
  { gatewayTls }: PlatformOptions,
  { gateway: { secure } }: DataPlane,
): Pick<Endpoints, 'gatewayTls'> {
  if (secure === undefined || gatewayTls === undefined) return {};
  return { gatewayTls: `https://${gatewayTls.host}:${secure.port}` };
}

async function backup(folder: string, { objects, events }: Stores): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await objects.backup(join(folder, 'objects.db'));
  await events.backup(join(folder, 'events.db'));
}

/** `*.localhost` is no name to every resolver; then people have to know the ways out (contract: Listeners). */
async function notesFor({ domain }: PlatformOptions, { gateway }: Endpoints): Promise<string[]> {
  if (domain !== 'localhost') return [];
  const found = await lookup('service.default.localhost').catch(() => undefined);
  if (found !== undefined) return [];
  return [
    `*.localhost does not resolve for every program here (curl and browsers know it); use curl -H 'Host: NAME.NAMESPACE.localhost' ${gateway}/, or --domain with a name that does resolve`,
  ];
}
