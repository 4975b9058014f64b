import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Subscription } from '../apis/messaging/subscription/schema.ts';
import { INGRESS } from '../apis/networking/ingress/types.ts';
import { CLUSTER_DOMAIN_CLAIM } from '../apis/networking/cluster-domain-claim/cluster-domain-claim.ts';
import { DOMAIN_MAPPING } from '../apis/serving/domain-mapping/types.ts';
import { KINDS } from '../apis/serving/types.ts';
import { groupOf } from '../apis/registry.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { backingReconciler, type ChannelHost } from '../channels/control/backing-reconciler.ts';
import { CHANNEL, channelReconciler } from '../channels/control/channel-reconciler.ts';
import { Controller, ownedBy, type Watch } from '../control/controller.ts';
import { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { EventRecorder } from '../control/recorder.ts';
import type { QueueMeter } from '../control/queue-meter.ts';
import type { Reconciler } from '../control/reconciler.ts';
import type { KindName } from '../control/resource-client.ts';
import type { SqliteStore } from '../apiserver/storage/sqlite-store.ts';
import { configurationReconciler } from '../serving/control/configuration-reconciler.ts';
import { domainMappingReconciler } from '../serving/control/domain-mapping-reconciler.ts';
import { DomainIndex } from '../serving/control/domains/domain-index.ts';
import { DEFAULT_CERTIFICATE } from '../serving/control/tls/certificate.ts';
import { ingressReconciler, type IngressSettings } from '../serving/control/ingress-reconciler.ts';
import { revisionReconciler, type RevisionSettings } from '../serving/control/revision-reconciler.ts';
import { routeReconciler, type RouteSettings } from '../serving/control/route-reconciler.ts';
import { RouteIndex } from '../serving/control/traffic/route-index.ts';
import { serviceReconciler } from '../serving/control/service-reconciler.ts';
import { SUBSCRIPTION, subscriptionReconciler } from '../subscriptions/control/subscription-reconciler.ts';
import type { Log } from '../telemetry/log.ts';
import { BACKED_KINDS, BACKING_KINDS } from './adapters.ts';
import { NotReadyLog } from './not-ready-log.ts';

export type ControllersOptions = {
  readonly store: SqliteStore;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: ChannelHost;
  readonly revision: RevisionSettings;
  readonly route: Omit<RouteSettings, 'labelled'>;
  readonly ingress: IngressSettings;
  /** Of the queue of each controller, by its name. */
  readonly meterOf?: (name: string) => QueueMeter;
};

export type RunningControllers = {
  readonly enqueueRevision: (key: string) => void;
  readonly enqueueIngress: (key: string) => void;
  readonly enqueueChannel: (channel: Resource) => void;
  close(): Promise<void>;
};

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const KUBERNETES_SERVICE = { apiVersion: 'v1', kind: 'Service' };
const SECRET = { apiVersion: 'v1', kind: 'Secret' };

export const EVENTING_USER = 'system:serviceaccount:knative-eventing:eventing-controller';
export const SERVING_USER = 'system:serviceaccount:knative-serving:controller';

/** Starts every reconciler, each with what makes it look again. */
export function startControllers(
  options: ControllersOptions,
  more: readonly ((start: StartOne) => void)[] = [],
): RunningControllers {
  const { store, host, revision } = options;
  const eventing = new EmbeddedClient(store, EVENTING_USER);
  const serving = new EmbeddedClient(store, SERVING_USER);
  const running: { close(): Promise<void> }[] = [];
  const notReady = new NotReadyLog(options);
  const start: StartOne = (client, reconciler, watches) => {
    const controller = controllerFor({ ...options, notReady }, client, reconciler, watches);
    running.push(controller);
    controller.start();
    return controller;
  };
  const subscribers = everySubscription(options.informers);
  start(
    eventing,
    channelReconciler(eventing),
    BACKING_KINDS.map((kind) => ({ kind, concerns: ownedBy('Channel') })),
  );
  const backing = BACKING_KINDS.map((kind) => {
    const keeper = BACKED_KINDS.some((each) => each.kind === kind.kind) ? 'broker' : 'platform';
    const watches = [{ kind: KINDS.service, concerns: everyOf(options.informers, kind) }];
    return { ...kind, controller: start(eventing, backingReconciler(kind, eventing, host, keeper), watches) };
  });
  start(
    eventing,
    subscriptionReconciler(eventing),
    [CHANNEL, ...BACKING_KINDS, KINDS.service, KINDS.route].map((kind) => ({
      kind,
      concerns: subscribers,
    })),
  );
  const ingresses = startTraffic(options, serving, start);
  const revisions = start(serving, revisionReconciler(serving, revision), [
    { kind: KINDS.deployment, concerns: ownedBy('Revision') },
  ]);
  for (const each of more) each(start);
  return {
    enqueueRevision: (key) => revisions.enqueue(key),
    enqueueIngress: (key) => ingresses.enqueue(key),
    enqueueChannel: (channel) =>
      backing
        .find(
          ({ kind, apiVersion }) =>
            kind === channel.kind && groupOf(apiVersion) === groupOf(channel.apiVersion),
        )
        ?.controller.enqueue(keyOf(channel)),
    async close() {
      notReady.close();
      await Promise.all(running.map((controller) => controller.close()));
    },
  };
}

/** Services, Configurations and Routes, and the Ingresses that the gateway is told by. */
function startTraffic(
  options: ControllersOptions,
  serving: EmbeddedClient,
  start: StartOne,
): { enqueue(key: string): void } {
  const { informers } = options;
  start(
    serving,
    serviceReconciler(serving),
    [KINDS.configuration, KINDS.route].map((kind) => ({ kind, concerns: ownedBy('Service') })),
  );
  start(serving, configurationReconciler(serving, options.clock), [
    { kind: KINDS.revision, concerns: ownedBy('Configuration') },
    { kind: CONFIG_MAP, concerns: everyOnConfig(informers, KINDS.configuration, ['config-gc']) },
  ]);
  startDomains(options, serving, start);
  const routes = new RouteIndex(informers);
  start(serving, routeReconciler(serving, { ...options.route, labelled: routes.labelled }), [
    { kind: KINDS.configuration, concerns: routes.concerns },
    { kind: KINDS.revision, concerns: routes.concerns },
    { kind: INGRESS, concerns: ownedBy('Route') },
    { kind: KUBERNETES_SERVICE, concerns: ownedBy('Route') },
    { kind: SECRET, concerns: onDefaultCertificate(informers, KINDS.route) },
    {
      kind: CONFIG_MAP,
      concerns: everyOnConfig(informers, KINDS.route, ['config-network', 'config-domain', 'config-features']),
    },
  ]);
  return start(serving, ingressReconciler(options.ingress), []);
}

/** DomainMappings, looked at again when what they name changes, or who may have their domains. */
function startDomains(
  { informers, route }: ControllersOptions,
  serving: EmbeddedClient,
  start: StartOne,
): void {
  const domains = new DomainIndex(informers);
  const named = [KINDS.service, KINDS.route, KUBERNETES_SERVICE, ...BACKING_KINDS];
  start(serving, domainMappingReconciler(serving, route), [
    { kind: INGRESS, concerns: ownedBy('DomainMapping') },
    ...named.map((kind) => ({ kind, concerns: domains.onNamed })),
    { kind: SECRET, concerns: domains.onSecret },
    { kind: SECRET, concerns: onDefaultCertificate(informers, DOMAIN_MAPPING) },
    { kind: CLUSTER_DOMAIN_CLAIM, concerns: domains.onClaim },
    { kind: CONFIG_MAP, concerns: everyOnConfig(informers, DOMAIN_MAPPING, ['config-network']) },
  ]);
}

export type StartOne = <R extends Resource>(
  client: EmbeddedClient,
  reconciler: Reconciler<R>,
  watches: readonly Watch[],
) => Controller<R>;

function controllerFor<R extends Resource>(
  options: ControllersOptions & { readonly notReady: NotReadyLog },
  client: EmbeddedClient,
  reconciler: Reconciler<R>,
  watches: readonly Watch[],
): Controller<R> {
  const { informers, clock, log, meterOf, notReady } = options;
  const name = `${reconciler.kind.kind.toLowerCase()}-controller`;
  return new Controller({
    reconciler,
    client,
    informers,
    recorder: new EventRecorder(client, clock, name),
    meter: meterOf?.(name),
    clock,
    random: Math.random,
    watches,
    onError: (key, error) =>
      log({
        level: 'warn',
        message: `${reconciler.kind.kind} ${key} could not be reconciled; it is tried again`,
        fields: { error: messageOf(error) },
      }),
    onNotReady: (object) => void notReady.heard(reconciler.kind, reconciler.conditions.happy, object),
  });
}

/** A change of anything in the same namespace may be what an object waits for; there are few, and a pass is cheap. */
function everyOf(informers: Informers, kind: KindName): (changed: Resource) => readonly string[] {
  return ({ metadata }) =>
    informers
      .of(kind)
      .all()
      .filter((object) => object.metadata.namespace === metadata.namespace)
      .map(keyOf);
}

/** The gateway's own certificate may be for all. */
function onDefaultCertificate(
  informers: Informers,
  kind: KindName,
): (changed: Resource) => readonly string[] {
  const { namespace, name } = DEFAULT_CERTIFICATE;
  return ({ metadata }) =>
    metadata.namespace === namespace && metadata.name === name ? informers.of(kind).all().map(keyOf) : [];
}

/** What is read of a ConfigMap in knative-serving may concern every object. */
function everyOnConfig(
  informers: Informers,
  kind: KindName,
  names: readonly string[],
): (changed: Resource) => readonly string[] {
  return ({ metadata: { namespace, name } }) =>
    namespace === 'knative-serving' && names.includes(name) ? informers.of(kind).all().map(keyOf) : [];
}

/** A Subscription may refer to objects of any namespace. */
function everySubscription(informers: Informers): (changed: Resource) => readonly string[] {
  return ({ metadata, kind }) =>
    (informers.of(SUBSCRIPTION).all() as readonly Subscription[])
      .filter((each) => JSON.stringify(each.spec).includes(`"${metadata.name}"`) || kind.endsWith('Channel'))
      .map(keyOf);
}
