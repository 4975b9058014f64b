import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Subscription } from '../apis/messaging/subscription/schema.ts';
import { KINDS } from '../apis/serving/types.ts';
import { groupOf } from '../apis/registry.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { backingReconciler, type ChannelHost } from '../channels/control/backing-reconciler.ts';
import { CHANNEL, channelReconciler } from '../channels/control/channel-reconciler.ts';
import { Controller, ownedBy, type Watch } from '../control/controller.ts';
import { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { EventRecorder } from '../control/recorder.ts';
import type { Reconciler } from '../control/reconciler.ts';
import type { KindName } from '../control/resource-client.ts';
import type { SqliteStore } from '../apiserver/storage/sqlite-store.ts';
import { configurationReconciler } from '../serving/control/configuration-reconciler.ts';
import { revisionReconciler, type RevisionSettings } from '../serving/control/revision-reconciler.ts';
import { routeReconciler, type RouteSettings } from '../serving/control/route-reconciler.ts';
import { serviceReconciler } from '../serving/control/service-reconciler.ts';
import { SUBSCRIPTION, subscriptionReconciler } from '../subscriptions/control/subscription-reconciler.ts';
import type { Log } from '../telemetry/log.ts';
import { BACKED_KINDS, BACKING_KINDS } from './adapters.ts';

export type ControllersOptions = {
  readonly store: SqliteStore;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: ChannelHost;
  readonly revision: RevisionSettings;
  readonly route: RouteSettings;
};

export type RunningControllers = {
  readonly enqueueRevision: (key: string) => void;
  readonly enqueueChannel: (channel: Resource) => void;
  close(): Promise<void>;
};

export const EVENTING_USER = 'system:serviceaccount:knative-eventing:eventing-controller';
export const SERVING_USER = 'system:serviceaccount:knative-serving:controller';

/** Starts every reconciler, each with what makes it look again. */
export function startControllers(
  options: ControllersOptions,
  more: readonly ((start: StartOne) => void)[] = [],
): RunningControllers {
  const { store, host, revision, route } = options;
  const eventing = new EmbeddedClient(store, EVENTING_USER);
  const serving = new EmbeddedClient(store, SERVING_USER);
  const running: { close(): Promise<void> }[] = [];
  const start: StartOne = (client, reconciler, watches) => {
    const controller = controllerFor(options, client, reconciler, watches);
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
  start(
    serving,
    serviceReconciler(serving),
    [KINDS.configuration, KINDS.route].map((kind) => ({ kind, concerns: ownedBy('Service') })),
  );
  start(serving, configurationReconciler(serving), [
    { kind: KINDS.revision, concerns: ownedBy('Configuration') },
  ]);
  start(
    serving,
    routeReconciler(serving, route),
    [KINDS.configuration, KINDS.revision].map((kind) => ({
      kind,
      concerns: everyOf(options.informers, KINDS.route),
    })),
  );
  const revisions = start(serving, revisionReconciler(serving, revision), [
    { kind: KINDS.deployment, concerns: ownedBy('Revision') },
  ]);
  for (const each of more) each(start);
  return {
    enqueueRevision: (key) => revisions.enqueue(key),
    enqueueChannel: (channel) =>
      backing
        .find(
          ({ kind, apiVersion }) =>
            kind === channel.kind && groupOf(apiVersion) === groupOf(channel.apiVersion),
        )
        ?.controller.enqueue(keyOf(channel)),
    async close() {
      await Promise.all(running.map((controller) => controller.close()));
    },
  };
}

export type StartOne = <R extends Resource>(
  client: EmbeddedClient,
  reconciler: Reconciler<R>,
  watches: readonly Watch[],
) => Controller<R>;

function controllerFor<R extends Resource>(
  options: ControllersOptions,
  client: EmbeddedClient,
  reconciler: Reconciler<R>,
  watches: readonly Watch[],
): Controller<R> {
  const { informers, clock, log } = options;
  return new Controller({
    reconciler,
    client,
    informers,
    recorder: new EventRecorder(client, clock, `${reconciler.kind.kind.toLowerCase()}-controller`),
    clock,
    random: Math.random,
    watches,
    onError: (key, error) =>
      log({
        level: 'warn',
        message: `${reconciler.kind.kind} ${key} could not be reconciled; it is tried again`,
        fields: { error: messageOf(error) },
      }),
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

/** A Subscription may refer to objects of any namespace. */
function everySubscription(informers: Informers): (changed: Resource) => readonly string[] {
  return ({ metadata, kind }) =>
    (informers.of(SUBSCRIPTION).all() as readonly Subscription[])
      .filter((each) => JSON.stringify(each.spec).includes(`"${metadata.name}"`) || kind.endsWith('Channel'))
      .map(keyOf);
}
