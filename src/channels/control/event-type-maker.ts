import { createHash } from 'node:crypto';
import { EVENT_TYPE, type EventType } from '../../apis/eventing/event-type/schema.ts';
import type { KReference } from '../../apis/duck.ts';
import { subdomainFault } from '../../apis/names.ts';
import type { OwnerReference, Resource } from '../../apis/resource.ts';
import type { Clock } from '../../base/clock.ts';
import { UNSTORED, type ResourceClient } from '../../control/resource-client.ts';
import { onSignal } from '../../telemetry/signals.ts';
import { SeenTypes, type Seen } from './seen-types.ts';

/** Where events of a type are to be had, and what the EventType goes with. */
export type Origin = {
  readonly reference: KReference | undefined;
  readonly owner: Resource;
  readonly isSource: boolean;
};

export type EventTypeMakerOptions = {
  readonly client: ResourceClient;
  readonly clock: Clock;
  /** ConfigMap config-features, `eventtype-auto-create`. */
  readonly isEnabled: () => boolean;
  /** Of a place as signals name it (Kind/namespace/name); undefined: nothing that one could subscribe to. */
  readonly originOf: (place: string) => Promise<Origin | undefined>;
  /** Every EventType there is. */
  readonly all: () => readonly EventType[];
  /** Whether a sink is a channel, which tells by itself what comes to it. */
  readonly isChannel: (sinkUrl: string) => boolean;
  readonly onError: (error: unknown) => void;
};

const PENDING_MAX = 1000;
/** Between two writes: at most twenty a second, however many types come at once. */
const PAUSE_MS = 50;

/**
 * Makes EventTypes of what really arrives, so that they tell what one can subscribe to (eventing pkg/eventtype).
 *   M1  nothing is written in an event's own path, and at most so much a second.
 *   M2  what there is stays as it is, whoever made it; a type that somebody has described already is not described again.
 *   M3  one that was deleted comes back with its next event.
 */
export class EventTypeMaker {
  readonly #options: EventTypeMakerOptions;
  readonly #seen = new SeenTypes();
  readonly #pending: Seen[] = [];
  readonly #stops: (() => void)[];
  readonly #stop = new AbortController();
  #working: Promise<void> | undefined;

  constructor(options: EventTypeMakerOptions) {
    this.#options = options;
    this.#stops = [
      onSignal('channel.accepted', ({ channel, type, source }) => this.#saw(channel, type, source)),
      onSignal('source.sent', ({ origin, sinkUrl, type, source }) => {
        if (!options.isChannel(sinkUrl)) this.#saw(origin, type, source);
      }),
    ];
  }

  /** An EventType is gone (M3). */
  deleted({ spec }: EventType): void {
    const read = (name: string): string => spec.attributes?.find((each) => each.name === name)?.value ?? '';
    this.#seen.forget(read('type'), read('source'));
  }

  /** A channel or a source is gone; its place is free for another. */
  gone(place: string): void {
    this.#seen.forgetPlace(place);
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#stop.abort();
    await this.#working;
  }

  #saw(place: string, type: string, source: string): void {
    if (!this.#seen.isNew(place, type, source)) return;
    if (this.#pending.length >= PENDING_MAX) return this.#seen.forgetPlace(place); // its next event is looked at again
    this.#pending.push({ place, type, source });
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  async #work(): Promise<void> {
    const { clock, isEnabled, onError } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await clock.until(clock.nowMs() + PAUSE_MS, signal); // M1
      const next = this.#pending.shift();
      if (next === undefined || signal.aborted) return;
      if (!isEnabled()) {
        this.#seen.forgetPlace(next.place);
        continue;
      }
      try {
        await this.#make(next);
      } catch (error) {
        this.#seen.forgetPlace(next.place);
        onError(error);
      }
    }
  }

  async #make(seen: Seen): Promise<void> {
    const { client, originOf, all } = this.#options;
    const origin = await originOf(seen.place);
    if (origin === undefined) return;
    const made = eventTypeOf(seen, origin);
    const isDescribed = all().some((each) => isSame(each, made));
    if (
      isDescribed ||
      (await client.find(EVENT_TYPE, made.metadata.namespace, made.metadata.name)) !== undefined
    )
      return; // M2
    await client.apply(made);
  }
}

/** As upstream makes it (pkg/eventtype/eventtypes.go; for a source, pkg/reconciler/source/duck/resources/eventtype.go). */
export function eventTypeOf({ type, source }: Seen, { reference, owner, isSource }: Origin): EventType {
  const { namespace = '', name, uid = '' } = owner.metadata;
  const hash = (text: string): string => createHash('md5').update(text).digest('hex');
  const ownName = isSource
    ? hash(type + source + uid)
    : `et-${name}-${hash(type + source + namespace + name)}`;
  const { apiVersion, kind } = owner;
  const ownerReference: OwnerReference = {
    apiVersion,
    kind,
    name,
    uid,
    ...(isSource && { controller: true, blockOwnerDeletion: true }),
  };
  return {
    ...EVENT_TYPE,
    metadata: {
      name: asSubdomain(ownName),
      namespace,
      ownerReferences: [ownerReference],
      resourceVersion: UNSTORED, // so that apply() creates it, or leaves what came in between
    },
    spec: {
      ...(reference !== undefined && { reference }),
      description: 'Event Type auto-created by controller',
      attributes: [
        { name: 'type', value: type, required: true },
        { name: 'source', value: source, required: true },
        { name: 'specversion', required: true },
        { name: 'id', required: false },
      ],
    },
  };
}

/** knative eventing pkg/utils/utils.go, ToDNS1123Subdomain. */
function asSubdomain(name: string): string {
  if (subdomainFault(name) === undefined) return name;
  const short = name.length > 253 ? name.slice(0, 243) : name;
  return short
    .toLowerCase()
    .replace(/[^-.a-z0-9]+/g, '')
    .replace(/^[-.]+|[-.]+$/g, '');
}

/** The same type and source of the same object. */
function isSame(one: EventType, other: EventType): boolean {
  if (one.metadata.namespace !== other.metadata.namespace) return false;
  const key = ({ spec: { reference, attributes = [] } }: EventType): string => {
    const read = (name: string): string | undefined => attributes.find((each) => each.name === name)?.value;
    return JSON.stringify([reference?.kind, reference?.name, read('type'), read('source')]);
  };
  return key(one) === key(other);
}
