import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { rfc3339 } from '../apis/conditions.ts';
import type { Resource } from '../apis/resource.ts';
import { EventLimits, remember } from './event-limits.ts';
import type { Told } from './reconciler.ts';
import type { ResourceClient } from './resource-client.ts';

const EVENT = { apiVersion: 'v1', kind: 'Event' };
const TTL_MS = 3_600_000;
/** Events at most, once old ones were removed. */
const KEPT_MAX = 5000;
const MESSAGE_MAX = 1024;
/** client-go's words. */
const COMBINED = '(combined from similar events): ';

type StoredEvent = Resource & {
  readonly count?: number;
  readonly firstTimestamp?: string;
  readonly lastTimestamp?: string;
};

/** More about an Event, where there is more to say. */
export type Particulars = {
  /** Of a Pod: `spec.containers{name}`. */
  readonly fieldPath?: string;
  /** On which machine; of a kubelet. */
  readonly host?: string;
  readonly labels?: Readonly<Record<string, string>>;
};

/**
 * Writes core/v1 Events: one object for each thing that can be said of an object, counting how often it was, and no more
 * of one object than client-go would.
 */
export class EventRecorder {
  readonly #client: ResourceClient;
  readonly #clock: Clock;
  readonly #component: string;
  readonly #limits = new EventLimits();
  readonly #names = new Map<string, string>(); // of what was said lately
  readonly #tail: number;
  #count = 0;

  constructor(client: ResourceClient, clock: Clock, component: string) {
    this.#client = client;
    this.#clock = clock;
    this.#component = component;
    // Two of them speak of objects of the same name in the same millisecond.
    this.#tail = createHash('sha256').update(component).digest().readUInt32BE() % 1000;
  }

  async tell(about: Resource, told: Told, particulars: Particulars = {}): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const { name, namespace = 'default', uid } = about.metadata;
    const object = `${about.kind}/${uid}`;
    if (!this.#limits.allows(object, nowMs)) return;
    const series = `${object}/${told.type}/${told.reason}`;
    const isCombined = this.#limits.isCombined(series, told.message, nowMs);
    const message = `${isCombined ? COMBINED : ''}${told.message}`.slice(0, MESSAGE_MAX);
    const key = isCombined ? series : `${series}/${told.message}`;
    const before = this.#names.get(key);
    const known =
      before === undefined ? undefined : await this.#client.find<StoredEvent>(EVENT, namespace, before);
    const eventName = known?.metadata.name ?? this.#nameAt(name, nowMs);
    remember(this.#names, key, eventName);
    const now = rfc3339(nowMs);
    await this.#client.apply({
      ...EVENT,
      metadata: {
        name: eventName,
        namespace,
        ...(particulars.labels !== undefined && { labels: particulars.labels }),
      },
      involvedObject: involved(about, particulars.fieldPath),
      reason: told.reason,
      message,
      type: told.type,
      count: (known?.count ?? 0) + 1,
      firstTimestamp: known?.firstTimestamp ?? now,
      lastTimestamp: now,
      source: {
        component: this.#component,
        ...(particulars.host !== undefined && { host: particulars.host }),
      },
      reportingComponent: this.#component,
      reportingInstance: particulars.host ?? '',
    } as Resource);
  }

  /** As client-go names them, by the nanosecond: what was said in the same second is listed in its order. */
  #nameAt(about: string, nowMs: number): string {
    this.#count = (this.#count + 1) % 1000;
    const ns = BigInt(Math.trunc(nowMs)) * 1_000_000n + BigInt(this.#count * 1000 + this.#tail);
    return `${about.slice(0, 200)}.${ns.toString(16)}`;
  }

  /** Removes what is older than an hour, as Kubernetes does, and the oldest of what is more than is kept. */
  async prune(): Promise<void> {
    const { items } = await this.#client.list<StoredEvent>(EVENT);
    const oldest = this.#clock.nowMs() - TTL_MS;
    const byAge = items.map((each) => ({ ...each, atMs: lastMs(each) })).toSorted((a, b) => b.atMs - a.atMs);
    for (const [i, { metadata, atMs }] of byAge.entries())
      if (atMs < oldest || i >= KEPT_MAX) await this.#client.remove(EVENT, metadata.namespace, metadata.name);
  }
}

function involved({ apiVersion, kind, metadata }: Resource, fieldPath: string | undefined): object {
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    name,
    ...(namespace !== undefined && { namespace }),
    uid,
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(fieldPath !== undefined && { fieldPath }),
  };
}

function lastMs({ metadata, lastTimestamp }: StoredEvent): number {
  return Date.parse(lastTimestamp ?? metadata.creationTimestamp ?? '');
}
