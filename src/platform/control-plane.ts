import { cpus, totalmem } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { LABELS } from '../apis/serving/shared.ts';
import { KINDS } from '../apis/serving/types.ts';
import type { Resource } from '../apis/resource.ts';
import { uidOf } from '../apiserver/tokens/accounts.ts';
import { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import { Informers } from '../control/informer.ts';
import { EventRecorder } from '../control/recorder.ts';
import type { InstanceEvent } from '../serving/activator/pool-tools.ts';
import type { AccountTokens } from '../serving/control/account-tokens.ts';
import { fetchForPod, fetchForRevision, OF_ENGINE } from '../serving/control/engine-image.ts';
import { PodEvents } from '../serving/control/pod-events/pod-events.ts';
import { Pods } from '../serving/control/pods.ts';
import { CertificateFeeder } from '../serving/control/tls/certificate-feeder.ts';
import { PlanFeeder } from '../serving/control/plan-feeder.ts';
import { SERVICE_TYPE } from '../serving/control/scale-services.ts';
import { Workloads } from '../serving/control/workloads/workloads.ts';
import { ticksOf } from '../sources/ping/schedule.ts';
import type { RevisionSettings } from '../serving/control/revision-reconciler.ts';
import type { Log } from '../telemetry/log.ts';
import { accountTokens } from './account-tokens.ts';
import { Autoscalers } from './autoscalers.ts';
import { bindingControllers } from './bindings.ts';
import { EVENTING_USER, SERVING_USER, startControllers, type RunningControllers } from './controllers.ts';
import type { DataPlane } from './data-plane.ts';
import { openEventTypes, type RunningEventTypes } from './event-types.ts';
import { instanceView } from './instance-states.ts';
import { legacyControllers } from './legacy.ts';
import { configMapReader } from './live-objects.ts';
import { removeOldEvents } from './old-events.ts';
import { ControlMetrics } from './metrics/control-metrics.ts';
import type { PlatformOptions } from './options.ts';
import type { Outboxes } from './outboxes.ts';
import type { Sources } from './source-host.ts';
import { placeOf } from './self/self-keeper.ts';
import { openSources } from './sources.ts';
import type { Stores } from './stores.ts';
import { webhookController } from './webhooks.ts';

const TOLD_AFTER_MS = 30;
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };

/** The Services of each revision: they tell, and nobody in here reads them. */
const isUnread = ({ metadata, kind }: Resource): boolean =>
  kind === 'Service' && metadata.labels?.[SERVICE_TYPE] !== undefined;

/** What decides: reconcilers, and the plans that follow from objects. */
export class ControlPlane {
  readonly informers: Informers;
  readonly metrics = new ControlMetrics();
  readonly #client: EmbeddedClient;
  readonly #pods: Pods;
  readonly #tokens: AccountTokens;
  #autoscalers: Autoscalers | undefined;
  #controllers: RunningControllers | undefined;
  #feeder: PlanFeeder | undefined;
  #workloads: Workloads | undefined;
  #podEvents: PodEvents | undefined;
  #sources: Sources | undefined;
  #eventTypes: RunningEventTypes | undefined;
  readonly #stop = new AbortController();
  #cleaning: Promise<void> | undefined;

  constructor({ objects, tokens }: Stores, log: Log) {
    const clock = systemClock;
    this.#client = new EmbeddedClient(objects, SERVING_USER);
    this.informers = new Informers({ reader: this.#client, clock, random: Math.random, isUnread });
    this.#pods = new Pods(this.#client, (error) =>
      log({
        level: 'warn',
        message: 'a Pod object could not be written',
        fields: { error: messageOf(error) },
      }),
    );
    this.#tokens = accountTokens(
      tokens,
      (namespace, name) => uidOf(objects, 'ServiceAccount', namespace, name),
      clock,
    );
    this.#followObservability();
  }

  /**
   * Instances have their Pods and their revision's status from what the activator tells; written a moment later, so that
   * no API write competes with the request that an instance is woken for (design decision 8).
   */
  observe(event: InstanceEvent): void {
    this.#autoscalers?.told(event.revision);
    setTimeout(() => {
      this.#pods.follow(event);
      this.#controllers?.enqueueRevision(event.revision);
    }, TOLD_AFTER_MS);
  }

  /** An image has come: what waits for one is looked at again. */
  imagePushed(): void {
    this.#workloads?.imagePushed();
    this.#feeder?.imagePushed();
    this.#lookAtRevisions();
  }

  /** What it says of logs is in the status of revisions. */
  #followObservability(): void {
    this.informers.of(CONFIG_MAP).onChange(({ metadata }) => {
      const isIt = metadata.namespace === 'knative-serving' && metadata.name === 'config-observability';
      if (isIt) this.#lookAtRevisions();
    });
  }

  #lookAtRevisions(): void {
    for (const { metadata } of this.informers.of(KINDS.revision).all())
      this.#controllers?.enqueueRevision(`${metadata.namespace}/${metadata.name}`);
  }

  async start(
    options: PlatformOptions,
    { objects }: Stores,
    plane: DataPlane,
    outboxes: Outboxes,
    log: Log,
  ): Promise<void> {
    const clock = systemClock;
    const { informers } = this;
    const { serving, channels, gateway } = plane;
    const eventing = new EmbeddedClient(objects, EVENTING_USER);
    await this.#pods.clear();
    const feeder = this.#openFeeder(plane, options);
    this.#feeder = feeder;
    channels.follow(informers, (channel) => this.#controllers?.enqueueChannel(channel));
    const sources = openSources(eventing, informers, plane, outboxes, options);
    this.#sources = sources.sources;
    const channelUrls = `${plane.eventsServer.url}/channels/`;
    const eventTypes = openEventTypes(eventing, informers, (url) => url.startsWith(channelUrls), log);
    this.#eventTypes = eventTypes;
    const door = placeOf(plane.eventsServer.url);
    this.#autoscalers = new Autoscalers(this.#client, informers, serving, door);
    this.#controllers = startControllers(
      {
        store: objects,
        informers,
        clock,
        log,
        host: channels,
        meterOf: (name) => this.metrics.meterOf(name),
        revision: this.#revisionSettings(plane, feeder),
        route: { door: gateway.door, clock },
        ingress: {
          routedGeneration: (key) => feeder.routedGeneration(key),
          takenHostOf: (key) => feeder.takenHostOf(key),
          publicLoadBalancer: { ingress: [{ ip: new URL(gateway.plain.url).hostname }] },
          privateLoadBalancer: { ingress: [{ ip: new URL(plane.eventsServer.url).hostname }] },
        },
      },
      [
        webhookController(eventing, informers, outboxes, options, gateway.plain.port),
        sources.start,
        eventTypes.start,
        this.#autoscalers.start,
        ...bindingControllers(eventing, informers),
        legacyControllers(eventing, informers),
      ],
    );
    feeder.start();
    new CertificateFeeder(gateway.certificates, informers).start();
    this.#startWorkloads(plane, log);
    this.#startPodEvents(log);
    this.#cleaning = this.#removeOldEvents(log);
    informers.of(KINDS.pod).onChange(({ metadata }, type) => {
      const revision = metadata.labels?.[LABELS.revision];
      if (type === 'DELETED' && revision !== undefined)
        void serving.replaceInstance(`${metadata.namespace}/${revision}`, metadata.name);
    });
    await informers.synced();
  }

  #openFeeder({ serving, images, engineImages }: DataPlane, { domain }: PlatformOptions): PlanFeeder {
    return new PlanFeeder({
      reader: this.#client,
      informers: this.informers,
      serving,
      clock: systemClock,
      tokens: this.#tokens,
      random: Math.random,
      domain,
      bundleOf: (digest) => images.resolve(digest) ?? (engineImages && OF_ENGINE),
      onRouted: (key) => this.#controllers?.enqueueIngress(key),
      onProblem: (key) => this.#controllers?.enqueueRevision(key),
      onPlanned: (key) => {
        this.#controllers?.enqueueRevision(key);
        this.#autoscalers?.told(key);
      },
    });
  }

  #revisionSettings(
    { serving, images, runtime, engineImages }: DataPlane,
    feeder: PlanFeeder,
  ): RevisionSettings {
    const readConfigMap = configMapReader(this.informers);
    return {
      resolveImage: (reference) => images.resolve(reference),
      machine: { cores: cpus().length, memoryBytes: totalmem() },
      fetchImage:
        engineImages &&
        fetchForRevision(engineImages, this.#client, () =>
          readConfigMap('knative-serving', 'config-deployment'),
        ),
      instances: instanceView(
        serving,
        (key) => feeder.problemOf(key),
        (spec) => runtime.unmet(spec),
      ),
      logUrlTemplate: () =>
        readConfigMap('knative-serving', 'config-observability')?.['logging.revision-url-template'] ||
        undefined,
    };
  }

  #startWorkloads({ serving, pods, images, engineImages }: DataPlane, log: Log): void {
    const resolveImage = (reference: string): ReturnType<typeof images.resolve> => images.resolve(reference);
    this.#workloads = new Workloads({
      cluster: this.#client,
      informers: this.informers,
      serving,
      pods,
      clock: systemClock,
      random: Math.random,
      resolveImage,
      fetchImage: engineImages && fetchForPod(engineImages, this.#client),
      bundleOf: (digest) => images.resolve(digest) ?? (engineImages && OF_ENGINE),
      ticksOf,
      tokens: this.#tokens,
      onError: (what, error) =>
        log({
          level: 'warn',
          message: `${what} could not be reconciled; it is tried again`,
          fields: { error: messageOf(error) },
        }),
    });
  }

  #startPodEvents(log: Log): void {
    this.#podEvents = new PodEvents({
      cluster: this.#client,
      informers: this.informers,
      clock: systemClock,
      onDropped: () => this.metrics.eventDropped(),
      onError: (error) =>
        log({
          level: 'warn',
          message: 'an Event of a Pod could not be written',
          fields: { error: messageOf(error) },
        }),
    });
    this.#podEvents.start();
  }

  #removeOldEvents(log: Log): Promise<void> {
    const recorder = new EventRecorder(this.#client, systemClock, 'platform');
    return removeOldEvents(recorder, systemClock, this.#stop.signal, (error) =>
      log({
        level: 'warn',
        message: 'old Events could not be removed; it is tried again',
        fields: { error: messageOf(error) },
      }),
    );
  }

  async stopDeciding(): Promise<void> {
    this.#stop.abort();
    await this.#cleaning;
    await this.#podEvents?.close();
    await this.#controllers?.close();
    await this.#workloads?.close();
    await this.#sources?.close();
    await this.#eventTypes?.close();
    await this.#feeder?.close();
  }

  async stop(): Promise<void> {
    await pause(2 * TOLD_AFTER_MS); // what was observed last is told
    await this.#pods.settled();
    this.metrics.close();
    await this.informers.stop();
  }
}
