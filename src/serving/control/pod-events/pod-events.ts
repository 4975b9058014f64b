import type { Clock } from '../../../base/clock.ts';
import { LABELS } from '../../../apis/serving/shared.ts';
import { POD, TERMINATING, type Pod } from '../../../apis/core/pod.ts';
import { OF_SCALING } from '../../../apis/core/scaling-events.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import type { Informers } from '../../../control/informer.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import type { ResourceClient } from '../../../control/resource-client.ts';
import { onSignal, type Signals } from '../../../telemetry/signals.ts';
import { happenings, nodeOf, ofProbe, stopping, type Happening } from './happenings.ts';

export type PodEventsOptions = {
  readonly cluster: ResourceClient;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Something found no room. */
  readonly onDropped?: () => void;
};

const SELF_LABEL = 'platform.millrace.dev/self';

/** What is said waits so long: the requests that a Pod was started for come first. */
const AFTER_MS = 1000;
/** Between two writes, so that a burst of them is not felt. */
const EVERY_MS = 10;
/** Beyond so many that wait, what is routine is not told, and beyond twice as many nothing is. */
const WAITING_MAX = 1000;

type Waiting = { readonly pod: Pod; readonly told: Happening; readonly dueMs: number };

/**
 * The Events of Pods, as kubelet would write them, made from how their objects change and from what their probes say.
 *   V1  none of it is written while what it tells of is happening: after a second, one at a time.
 *   V2  what waits is bounded; what finds no room is not told, and how much that was is.
 */
export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #recorders: Readonly<Record<Happening['component'], EventRecorder>>;
  readonly #seen = new Map<string, Pod>();
  readonly #waiting: Waiting[] = [];
  readonly #stop = new AbortController();
  readonly #unheard: () => void;
  #sinceMs: number;
  #writing: Promise<void> | undefined;
  #dropped = 0;

  constructor(options: PodEventsOptions) {
    const { cluster, clock } = options;
    this.#options = options;
    this.#sinceMs = clock.nowMs();
    this.#recorders = {
      kubelet: new EventRecorder(cluster, clock, 'kubelet'),
      'default-scheduler': new EventRecorder(cluster, clock, 'default-scheduler'),
    };
    this.#unheard = onSignal('serving.unhealthy', (told) => this.#hear(told));
  }

  /** How much found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  start(): void {
    this.#options.informers
      .of(POD)
      .onChange((pod, type) => (type === 'DELETED' ? this.#gone(pod) : this.#changed(pod)));
  }

  /** What waits then is not told. */
  async close(): Promise<void> {
    this.#unheard();
    this.#stop.abort();
    await this.#writing;
  }

  #changed(pod: Pod): void {
    if (pod.metadata.labels?.[SELF_LABEL] !== undefined) return;
    const key = keyOf(pod);
    const known = this.#seen.get(key);
    const before = known?.metadata.uid === pod.metadata.uid ? known : undefined;
    this.#seen.set(key, pod);
    if (before === undefined && this.#isOld(pod)) return; // told by the run of the platform that has made it
    if (!isLeaving(pod)) this.#tell(pod, happenings(before, pod));
    else if (before === undefined || !isLeaving(before)) this.#tell(pod, stopping(before ?? pod));
  }

  #gone(pod: Resource): void {
    const key = keyOf(pod);
    const before = this.#seen.get(key);
    this.#seen.delete(key);
    if (before !== undefined && !isLeaving(before)) this.#tell(before, stopping(before));
  }

  #hear({ namespace, instance, container, ...fault }: Signals['serving.unhealthy']): void {
    const pod = this.#seen.get(`${namespace}/${instance}`);
    if (pod !== undefined) this.#tell(pod, [ofProbe(container, fault)]);
  }

  /** Objects tell whole seconds. */
  #isOld({ metadata: { creationTimestamp } }: Pod): boolean {
    return creationTimestamp !== undefined && Date.parse(creationTimestamp) < this.#sinceMs - 1000;
  }

  #tell(pod: Pod, told: readonly Happening[]): void {
    const dueMs = this.#options.clock.nowMs() + AFTER_MS;
    for (const each of told) {
      const room = each.type === 'Warning' ? 2 * WAITING_MAX : WAITING_MAX;
      if (this.#waiting.length < room) this.#waiting.push({ pod, told: each, dueMs });
      else this.#drop(); // V2
    }
    if (this.#waiting.length > 0) this.#writing ??= this.#write();
  }

  #drop(): void {
    this.#dropped += 1;
    this.#options.onDropped?.();
  }

  /** V1 */
  async #write(): Promise<void> {
    const { clock, onError } = this.#options;
    const { signal } = this.#stop;
    await Promise.resolve(); // it is noted that this goes on
    for (let next = this.#waiting[0]; next !== undefined && !signal.aborted; next = this.#waiting[0]) {
      await clock.until(Math.max(next.dueMs, clock.nowMs() + EVERY_MS), signal);
      if (signal.aborted) break;
      this.#waiting.shift();
      await this.#record(next).catch(onError);
    }
    this.#writing = undefined;
  }

  #record({ pod, told }: Waiting): Promise<void> {
    const { component, fieldPath, ...what } = told;
    const isScaling = told.type === 'Normal' && pod.metadata.labels?.[LABELS.revision] !== undefined;
    return this.#recorders[component].tell(pod, what, {
      ...(fieldPath !== undefined && { fieldPath }),
      ...(component === 'kubelet' && { host: nodeOf(pod) }),
      ...(isScaling && { labels: { [OF_SCALING]: 'true' } }),
    });
  }
}

/** Somebody has deleted it, or its instance is on its way out. */
function isLeaving({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined || status?.reason === TERMINATING;
}
