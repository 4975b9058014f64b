import { EVENT_TYPE, type EventType } from '../apis/eventing/event-type/schema.ts';
import type { KReference } from '../apis/duck.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import type { SourceObject } from '../apis/sources/source-kind.ts';
import { WEBHOOK_SOURCE } from '../apis/sources/webhook-source/schema.ts';
import { KINDS } from '../apis/serving/types.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import { EventTypeMaker, type Origin } from '../channels/control/event-type-maker.ts';
import { eventTypeReconciler } from '../channels/control/event-type-reconciler.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import type { KindName } from '../control/resource-client.ts';
import type { Log } from '../telemetry/log.ts';
import { BACKING_KINDS } from './adapters.ts';
import type { StartOne } from './controllers.ts';
import { SOURCE_KINDS } from './sources.ts';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const FEATURE = 'eventtype-auto-create';

export type RunningEventTypes = { readonly start: (start: StartOne) => void; close(): Promise<void> };

/** EventTypes of what arrives at channels and is sent by sources, and whether what they refer to is there. */
export function openEventTypes(
  client: EmbeddedClient,
  informers: Informers,
  isChannel: (sinkUrl: string) => boolean,
  log: Log,
): RunningEventTypes {
  const eventTypes = informers.of(EVENT_TYPE);
  const features = informers.of(CONFIG_MAP);
  const maker = new EventTypeMaker({
    client,
    clock: systemClock,
    /** On unless it is turned off; upstream ships it off. */
    isEnabled: () => {
      const data: unknown = Reflect.get(Object(features.get('knative-eventing/config-features')), 'data');
      const written: unknown = Reflect.get(Object(data), FEATURE);
      return typeof written !== 'string' || written.toLowerCase() === 'enabled';
    },
    originOf: (place) => originOf(client, place),
    all: () => eventTypes.all() as readonly EventType[],
    isChannel,
    onError: (error) =>
      log({ level: 'warn', message: 'an EventType could not be made', fields: { error: messageOf(error) } }),
  });
  eventTypes.onChange((object, type) => {
    if (type === 'DELETED') maker.deleted(object as EventType);
  });
  for (const kind of [...BACKING_KINDS, ...sendingKinds()]) {
    informers.of(kind).onChange((object, type) => {
      if (type === 'DELETED') maker.gone(`${kind.kind}/${keyOf(object)}`);
    });
  }
  const referring = ({ kind, metadata }: Resource): readonly string[] =>
    (eventTypes.all() as readonly EventType[])
      .filter(({ spec: { reference } }) => reference?.kind === kind && reference.name === metadata.name)
      .map(keyOf);
  const watched = [CHANNEL, ...BACKING_KINDS, KINDS.service].map((kind) => ({ kind, concerns: referring }));
  return {
    start: (start) => void start(client, eventTypeReconciler(client), watched),
    close: () => maker.close(),
  };
}

/** A backing channel stands for the Channel that it was made for; a source for the sink that it sends to. */
async function originOf(client: EmbeddedClient, place: string): Promise<Origin | undefined> {
  const [kind = '', namespace = '', name = ''] = place.split('/');
  const backing = BACKING_KINDS.find((each) => each.kind === kind);
  if (backing !== undefined) {
    const object = await client.find(backing, namespace, name);
    const parent = object?.metadata.ownerReferences?.find((each) => each.kind === CHANNEL.kind);
    const owner = parent === undefined ? object : await client.find(CHANNEL, namespace, parent.name);
    return owner && { owner, reference: referenceTo(owner), isSource: false };
  }
  const sourceKind = sendingKinds().find((each) => each.kind === kind);
  if (sourceKind === undefined) return undefined;
  const owner = await client.find<SourceObject>(sourceKind, namespace, name);
  return owner && { owner, reference: owner.spec.sink?.ref, isSource: true };
}

const sendingKinds = (): readonly KindName[] => [...SOURCE_KINDS.map(({ kind }) => kind), WEBHOOK_SOURCE];

function referenceTo({ apiVersion, kind, metadata: { name, namespace } }: Resource): KReference {
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }) };
}
