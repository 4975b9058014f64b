import type { BackingChannel, SubscriberEntry } from '../../apis/duck.ts';
import type { Resource } from '../../apis/resource.ts';
import { annotationOf, ANNOTATIONS } from '../annotations.ts';

/** The channel with this entry in its place, and the entries of others as they were. */
export function withSubscriber(channel: BackingChannel, entry: SubscriberEntry): BackingChannel {
  const before = channel.spec?.subscribers ?? [];
  const isNew = before.every(({ uid }) => uid !== entry.uid);
  const subscribers = isNew
    ? [...before, entry]
    : before.map((each) => (each.uid === entry.uid ? entry : each));
  return { ...channel, spec: { ...channel.spec, subscribers } };
}

export function withoutSubscriber(channel: BackingChannel, uid: string): BackingChannel {
  const subscribers = (channel.spec?.subscribers ?? []).filter((each) => each.uid !== uid);
  return withKnobs({ ...channel, spec: { ...channel.spec, subscribers } }, uid, {});
}

/** Carries a Subscription's knobs, named as its annotations are, to the channel object, which plans are made from. */
export function withAnnotations(
  channel: BackingChannel,
  { metadata }: Resource,
  knobs: Readonly<Record<string, string>>,
): BackingChannel {
  return withKnobs(channel, metadata.uid ?? '', knobs);
}

function withKnobs(
  channel: BackingChannel,
  uid: string,
  from: Readonly<Record<string, string>>,
): BackingChannel {
  const annotations: Record<string, string> = { ...channel.metadata.annotations };
  for (const name of Object.values(ANNOTATIONS)) {
    const value = from[name];
    if (value === undefined) Reflect.deleteProperty(annotations, annotationOf(name, uid));
    else annotations[annotationOf(name, uid)] = value;
  }
  return { ...channel, metadata: { ...channel.metadata, annotations } };
}
