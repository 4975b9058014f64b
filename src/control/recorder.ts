import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { rfc3339 } from '../apis/conditions.ts';
import type { Resource } from '../apis/resource.ts';
import type { Told } from './reconciler.ts';
import type { ResourceClient } from './resource-client.ts';

const EVENT = { apiVersion: 'v1', kind: 'Event' };
const TTL_MS = 3_600_000;
const MESSAGE_MAX = 1024;

type StoredEvent = Resource & {
  readonly count?: number;
  readonly firstTimestamp?: string;
  readonly lastTimestamp?: string;
};

/** Writes core/v1 Events: one object for each thing that can be said of an object, counting how often it was. */
export class EventRecorder {
  readonly #client: ResourceClient;
  readonly #clock: Clock;
  readonly #component: string;

  constructor(client: ResourceClient, clock: Clock, component: string) {
    this.#client = client;
    this.#clock = clock;
    this.#component = component;
  }

  async tell(about: Resource, { type, reason, message }: Told): Promise<void> {
    const { name, namespace = 'default', uid } = about.metadata;
    const hash = createHash('sha256')
      .update(`${about.kind}/${uid}/${type}/${reason}/${message}`)
      .digest('hex')
      .slice(0, 16);
    const eventName = `${name.slice(0, 200)}.${hash}`;
    const known = await this.#client.find<StoredEvent>(EVENT, namespace, eventName);
    const now = rfc3339(this.#clock.nowMs());
    await this.#client.apply({
      ...EVENT,
      metadata: { name: eventName, namespace },
      involvedObject: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        name,
        ...(about.metadata.namespace !== undefined && { namespace }),
        uid,
      },
      reason,
      message: message.slice(0, MESSAGE_MAX),
      type,
      count: (known?.count ?? 0) + 1,
      firstTimestamp: known?.firstTimestamp ?? now,
      lastTimestamp: now,
      source: { component: this.#component },
      reportingComponent: this.#component,
    } as Resource);
  }

  /** Removes what is older than an hour, as Kubernetes does. */
  async prune(): Promise<void> {
    const { items } = await this.#client.list<StoredEvent>(EVENT);
    const oldest = this.#clock.nowMs() - TTL_MS;
    for (const { metadata, lastTimestamp } of items) {
      if (Date.parse(lastTimestamp ?? metadata.creationTimestamp ?? '') < oldest)
        await this.#client.remove(EVENT, metadata.namespace, metadata.name);
    }
  }
}
