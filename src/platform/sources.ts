import { join } from 'node:path';
import { groupOf } from '../apis/registry.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { KINDS } from '../apis/serving/types.ts';
import type { SourceObject } from '../apis/sources/source-kind.ts';
import { systemClock } from '../base/clock.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import type { Controller } from '../control/controller.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { EventRecorder } from '../control/recorder.ts';
import type { EventSink } from '../events/sink.ts';
import { sourceReconciler } from '../sources/control/source-reconciler.ts';
import { gitHubSource } from '../sources/github/source-kind.ts';
import { httpSink } from '../sources/http-sink.ts';
import { kafkaSource } from '../sources/kafka/kafka-source.ts';
import { apiServerSource } from '../sources/kubernetes/api-server-source.ts';
import { kubernetesEventSource } from '../sources/kubernetes/kubernetes-event-source.ts';
import { pingSource } from '../sources/ping/ping-source.ts';
import { cloudPubSubSource } from '../sources/pubsub/cloud-pubsub-source.ts';
import { rabbitmqSource } from '../sources/rabbitmq/rabbitmq-source.ts';
import type { SourceKind } from '../sources/source.ts';
import { BACKING_KINDS } from './adapters.ts';
import { Bookmarks } from './bookmarks.ts';
import { clusterOpener } from './clusters.ts';
import type { StartOne } from './controllers.ts';
import type { DataPlane } from './data-plane.ts';
import { configMapReader, secretReader } from './live-objects.ts';
import type { PlatformOptions } from './options.ts';
import type { Outboxes } from './outboxes.ts';
import { ownChannelAt } from './own-channel.ts';
import { Sources } from './source-host.ts';
import { addressTaken, sameAddress } from './webhook-addresses.ts';

/** A source kind whatever its plan is: the host keeps plans as they are and hands them back to the kind's own adapter. */
export type AnySourceKind = SourceKind<SourceObject, unknown>;

/** Every source that runs by a plan. Adding one is its folder in sources/, its kind in apis/, and a line here. */
export const SOURCE_KINDS: readonly AnySourceKind[] = [
  anySource(apiServerSource),
  anySource(kubernetesEventSource),
  anySource(gitHubSource),
  anySource(pingSource),
  anySource(rabbitmqSource),
  anySource(kafkaSource),
  anySource(cloudPubSubSource),
];

/** Forgets the types of object and plan: what a kind plans is only ever given to the same kind. */
export function anySource<R extends SourceObject, Plan>(kind: SourceKind<R, Plan>): AnySourceKind {
  return kind as unknown as AnySourceKind;
}

/** One adapter for each kind: what its sources share, such as connections, is in it. */
function loadOnce(): (kind: AnySourceKind) => ReturnType<AnySourceKind['load']> {
  const adapters = new Map<AnySourceKind, ReturnType<AnySourceKind['load']>>();
  return async (kind) => {
    const loading = adapters.get(kind) ?? kind.load();
    adapters.set(kind, loading);
    try {
      return await loading;
    } catch (error) {
      adapters.delete(kind);
      throw error;
    }
  };
}

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };

export type RunningSources = { readonly sources: Sources; readonly start: (start: StartOne) => void };

/** The host of all sources, and how their reconcilers are started. */
export function openSources(
  client: EmbeddedClient,
  informers: Informers,
  plane: DataPlane,
  outboxes: Outboxes,
  options: PlatformOptions,
  kinds: readonly AnySourceKind[] = SOURCE_KINDS,
): RunningSources {
  const controllers = new Map<AnySourceKind, Controller<SourceObject>>();
  const kindOf = (object: Resource): AnySourceKind | undefined =>
    kinds.find(
      ({ kind }) => kind.kind === object.kind && groupOf(kind.apiVersion) === groupOf(object.apiVersion),
    );
  // A port that is not known yet is not the name of anything: then it is called as it is within a cluster.
  const { host, port } = options.api;
  const apiUrl = port === 0 ? 'https://kubernetes.default.svc' : `https://${host}:${port}`;
  const recorder = new EventRecorder(client, systemClock, 'sources');
  const loaded = loadOnce();
  const sources = new Sources({
    clock: systemClock,
    reader: client,
    bookmarks: new Bookmarks(join(options.dataDir, 'sources')),
    clusterAt: clusterOpener(client, apiUrl),
    sinkAt: (url) => sinkAt(url, plane),
    adapterOf: async (object) => {
      const kind = kindOf(object);
      if (kind === undefined) throw new Error(`${object.kind} is no source kind`);
      return loaded(kind);
    },
    giveUp: (object) => outboxes.remove({ key: keyOf(object), uid: object.metadata.uid ?? '' }),
    onChange: (object) => {
      const kind = kindOf(object);
      if (kind !== undefined) controllers.get(kind)?.enqueue(keyOf(object));
    },
    onWarning(object, reason, message) {
      void recorder.tell(object, { type: 'Warning', reason, message }).catch(() => undefined); // it goes with the store
    },
  });
  const publicUrl =
    options.publicUrl?.replace(/\/$/, '') ?? `http://${options.gateway.host}:${plane.gateway.plain.port}`;
  const readConfigMap = configMapReader(informers);
  const context = {
    publicUrl,
    apiUrl,
    addressTaken: addressTaken(informers),
    configMap: (name: string) => readConfigMap('knative-eventing', name),
  };
  const settings = { host: sources, readSecret: secretReader(informers), context };
  const start = (startOne: StartOne): void => {
    for (const kind of kinds) {
      const concerns = (): readonly string[] => informers.of(kind.kind).all().map(keyOf);
      const watched = [SECRET, CONFIG_MAP, CHANNEL, ...BACKING_KINDS, KINDS.service, KINDS.route];
      const shared = watched.map((each) => ({ kind: each, concerns }));
      const watches = [...shared, ...sameAddress(informers, kind.kind)];
      controllers.set(kind, startOne(client, sourceReconciler(kind, client, settings), watches));
    }
  };
  return { sources, start };
}

/** A channel of this platform takes events by itself; for any other sink it is a POST. */
function sinkAt(sinkUrl: string, plane: DataPlane): EventSink {
  const posted = httpSink(plane.outbound, sinkUrl);
  return {
    send: (event, signal) =>
      ownChannelAt(sinkUrl, plane)?.channel.publish(event) ?? posted.send(event, signal),
  };
}
