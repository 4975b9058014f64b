import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Dispatcher as Outbound } from 'undici';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemClock } from '../base/clock.ts';
import { atChannelHosts, channelOfHost } from '../channels/ingress/channel-hosts.ts';
import { createIngress } from '../channels/ingress/ingress.ts';
import { Dispatcher } from '../dispatcher/dispatcher.ts';
import { ByteBudget, type BodyLimits } from '../http/body.ts';
import { guardHost, LOOPBACK_HOSTS } from '../http/host-check.ts';
import { createOutbound } from '../http/outbound.ts';
import { openServer, type OpenServer } from '../http/server.ts';
import type { InstanceEvent } from '../serving/activator/pool-tools.ts';
import { PLAIN_FRONT, type Gateway } from '../serving/gateway/gateway.ts';
import type { RequestLog } from '../serving/gateway/request-log.ts';
import { serviceDoor } from '../serving/gateway/service-door.ts';
import { ImageStore } from '../serving/images/image-store.ts';
import { RunningPods } from '../serving/pods/running-pods.ts';
import { LOG_FILE_BOUNDS, LogFiles } from '../serving/runtime/process/log-files.ts';
import { ProcessRuntime } from '../serving/runtime/process/process-runtime.ts';
import { ContainerRuntime } from '../serving/runtime/container/container-runtime.ts';
import { EngineImages } from '../serving/runtime/container/engine-images.ts';
import { Engine } from '../serving/runtime/container/engine.ts';
import { engineSocket } from '../serving/runtime/container/find-engine.ts';
import { EitherRuntime } from '../serving/runtime/either-runtime.ts';
import type { HostRoute } from '../serving/runtime/process/runner-protocol.ts';
import { warmBounds } from '../serving/runtime/process/warm-bounds.ts';
import { Serving } from '../serving/serving.ts';
import { Channels } from './channel-host.ts';
import { openGatewayDoors, trustOf, type GatewayDoors } from './gateway-doors.ts';
import type { Address, PlatformOptions } from './options.ts';
import type { Stores } from './stores.ts';
import { untilReady } from './until-ready.ts';

/** What runs and answers: channels, dispatcher, instances, and the two doors that events and requests come in by. */
export type DataPlane = {
  readonly serving: Serving;
  readonly pods: RunningPods;
  /** Processes, and containers where there is an engine. */
  readonly runtime: EitherRuntime;
  /** Those of a container engine; undefined: there is none. */
  readonly engineImages: EngineImages | undefined;
  readonly images: ImageStore;
  readonly logs: LogFiles;
  readonly channels: Channels;
  readonly dispatcher: Dispatcher;
  readonly outbound: Outbound;
  readonly limits: BodyLimits;
  readonly gateway: GatewayDoors;
  readonly eventsServer: OpenServer;
  /** Lets names inside the cluster lead to one more listener, by one port. */
  readonly leadInside: (names: readonly string[], port: number, to: Address) => void;
};

export type DataPlaneHooks = {
  readonly observe: (event: InstanceEvent) => void;
  readonly requestLog: RequestLog;
  /** What answers on the gateway at a host that is no service's. */
  readonly onOtherHost: (request: IncomingMessage, response: ServerResponse) => void;
  /** Whether all services are known: until then, one that is not known may be there. */
  readonly isReady: () => boolean;
};

export async function openDataPlane(
  options: PlatformOptions,
  { events }: Stores,
  hooks: DataPlaneHooks,
): Promise<DataPlane> {
  const clock = systemClock;
  const hosts: HostRoute[] = [];
  const ownHosts = new Set([...LOOPBACK_HOSTS, options.events.host]);
  const onAddress = (host: string): void => void ownHosts.add(host);
  const opened = openInstances(options, hooks, hosts, onAddress);
  const { logs, runtime, engineImages, images, serving, pods } = opened;
  const limits = { maxBytes: options.maxEventBytes, budget: new ByteBudget(options.maxInflightBytes) };
  const addresses: { events?: Address; gateway?: Address; secure?: Address } = {};
  const outbound = createOutbound({
    route: (host, _port, isSecure) => {
      const listener = serving.listenerFor(host);
      if (listener === undefined) return channelOfHost(host) === undefined ? undefined : addresses.events;
      if (listener === 'internal') return addresses.events;
      return isSecure ? addresses.secure : addresses.gateway;
    },
  });
  const dispatcher = new Dispatcher({ outbound, clock, replyBytesMax: options.maxEventBytes });
  const urlOf = (namespace: string, name: string): string =>
    `http://${addresses.events?.host}:${addresses.events?.port}/channels/${namespace}/${name}`;
  const channels = new Channels({ store: events, dispatcher, clock, graceMs: options.drainMs, urlOf });
  const ingress = createIngress({ find: (namespace, name) => channels.door(namespace, name), limits, clock });
  const eventsServer = await openServer({
    name: 'events',
    flag: '--events',
    ...options.events,
    ...internalGateway(serving, options, ingress, hooks.isReady, ownHosts),
    requestTimeoutMs: 0,
  }).catch(async (error: unknown) => {
    await runtime.close(); // its warm runners would keep the process alive
    throw error;
  });
  addresses.events = { host: options.events.host, port: eventsServer.port };
  const gateway = await openGatewayDoors(options, serving, hooks.onOtherHost).catch(
    async (error: unknown) => {
      await eventsServer.close(0);
      await runtime.close();
      throw error;
    },
  );
  addresses.gateway = { host: options.gateway.host, port: gateway.plain.port };
  const { secure } = gateway;
  if (secure !== undefined && options.gatewayTls !== undefined)
    addresses.secure = { host: options.gatewayTls.host, port: secure.port };
  hosts.push(...routesTo(addresses.events, addresses.gateway, options.domain));
  return {
    serving,
    pods,
    runtime,
    engineImages,
    images,
    logs,
    channels,
    dispatcher,
    outbound,
    limits,
    gateway,
    eventsServer,
    leadInside: (names, port, to) =>
      void hosts.unshift(...names.map((suffix) => ({ suffix, ...to, ports: [port] }))),
  };
}

function routesTo(events: Address, gateway: Address, domain: string): readonly HostRoute[] {
  return [
    { suffix: '.svc.cluster.local', ...events },
    { suffix: '.channels.cluster.local', ...events },
    { suffix: `.${domain}`, ...gateway, ports: [80, gateway.port] },
  ];
}

/** Names inside the cluster by Host; by path, services for programs that resolve no such name, and channels. */
function internalGateway(
  serving: Serving,
  options: PlatformOptions,
  ingress: Gateway['onRequest'],
  isReady: () => boolean,
  own: ReadonlySet<string>,
): Gateway {
  const isInternal = (name: string): boolean => serving.listenerFor(name) === 'internal';
  const door = serviceDoor(isInternal, (...exchange) => gateway.onRequest(...exchange), ingress);
  const guarded = untilReady(isReady, own, guardHost(own, door));
  const front = { ...PLAIN_FRONT, trusts: trustOf(options) };
  const gateway = serving.gateway('internal', atChannelHosts(ingress, guarded), front);
  return gateway;
}

/** A Node function holds 22 to 28 MB: what the default number of instances is reckoned with. */
const INSTANCE_BYTES = 32 * 1024 * 1024;

/**
 * What starts instances, and where their images and their output are; `hosts` is filled once the doors are open, `onAddress`
 * is told of another name of the events listener.
 */
function openInstances(
  { dataDir, warmBytes, maxInstances, engine: named }: PlatformOptions,
  { observe, requestLog }: DataPlaneHooks,
  hosts: readonly HostRoute[],
  onAddress: (host: string) => void,
): Pick<DataPlane, 'logs' | 'runtime' | 'engineImages' | 'images' | 'serving' | 'pods'> {
  const logs = new LogFiles({ folder: join(dataDir, 'logs'), ...LOG_FILE_BOUNDS });
  const folder = join(dataDir, 'runtime');
  const isName = (host: string): boolean =>
    serving.listenerFor(host) === 'internal' ||
    channelOfHost(host) !== undefined ||
    hosts.some(({ suffix }) => suffix === host);
  const inside = { routes: () => hosts, isName, onAddress };
  const warm = warmBounds(warmBytes);
  const processes = ProcessRuntime.open({ folder, warm, logs, routes: () => hosts, isName });
  const socket = engineSocket(named, process.env);
  const engine = socket === undefined ? undefined : new Engine(socket);
  const engineImages = engine && new EngineImages(engine);
  const containers = engine && new ContainerRuntime({ engine, images: engineImages, inside, folder, logs });
  containers?.sweep().catch(() => undefined); // of an engine that is away it is done before its first start
  const runtime = new EitherRuntime(processes, containers);
  const images = new ImageStore(join(dataDir, 'images'), (directory, entry) =>
    processes.check(directory, entry),
  );
  const clock = systemClock;
  const instancesMax = maxInstances ?? Math.max(20, Math.floor((totalmem() * 3) / 4 / INSTANCE_BYTES));
  const serving = new Serving({ runtime, clock, observe, requestLog, instancesMax });
  return { logs, runtime, engineImages, images, serving, pods: new RunningPods({ runtime, clock }) };
}
