import { rfc3339 } from '../../apis/conditions.ts';
import type { JournalRecord } from '../../telemetry/journal.ts';
import type { Signals } from '../../telemetry/signals.ts';

/** One that gets the events of a channel now, or is to. */
export type Subscriber = {
  readonly group: string; // its uid
  readonly subscription: string; // namespace/name
  readonly madeMs: number | undefined;
  /** Since when the channel keeps events for it; undefined: it does not. */
  readonly readySinceMs: number | undefined;
  /** Why it does not, in the words of its condition. */
  readonly notReady: string | undefined;
  /** It asked for what had come before it (delivery.millrace.dev/start). */
  readonly beginsEarlier: boolean;
};

/** What is known of a channel's subscribers, to say why one of them has not got an event. */
export type Subscribers = {
  readonly now: readonly Subscriber[];
  readonly gone: readonly Signals['channel.forgot'][];
};

/** Stands in a trace beside the records of the journal, from which it follows. */
export type PassedOver = {
  readonly signal: 'subscription.passedOver' | 'subscription.gone';
  readonly atMs: number;
  readonly channel: string;
  readonly group: string;
  readonly subscription: string;
  readonly reason:
    | 'MadeLater'
    | 'BeginsEarlier'
    | 'NotReady'
    | 'ReadyLater'
    | 'DeletedBefore'
    | 'DeletedSince';
  readonly message: string;
};

type Accepted = Extract<JournalRecord, { readonly signal: 'channel.accepted' }>;

/** The records of one event, and after each acceptance which subscriptions of the channel it was not kept for, and why. */
export function withPassedOver(
  records: readonly JournalRecord[],
  subscribersOf: (channel: string) => Subscribers,
): readonly (JournalRecord | PassedOver)[] {
  const attempted = new Set(
    records.flatMap((each) =>
      each.signal === 'dispatcher.attempted' ? [`${each.channel} ${each.group}`] : [],
    ),
  );
  return records.flatMap((record): readonly (JournalRecord | PassedOver)[] => {
    if (record.signal !== 'channel.accepted') return [record];
    const { now, gone } = subscribersOf(record.channel);
    const got = (group: string): boolean =>
      record.groups.includes(group) || attempted.has(`${record.channel} ${group}`);
    return [
      record,
      ...now.filter(({ group }) => !got(group)).map((each) => passedOver(record, each)),
      ...gone.flatMap((each) => goneSince(record, each, got(each.group))),
    ];
  });
}

function passedOver({ atMs, channel }: Accepted, subscriber: Subscriber): PassedOver {
  const { group, subscription } = subscriber;
  return { signal: 'subscription.passedOver', atMs, channel, group, subscription, ...why(subscriber, atMs) };
}

/** Objects tell their times in whole seconds: what began in the second of the event is not said to have begun before. */
function why(
  { madeMs, readySinceMs, notReady, beginsEarlier }: Subscriber,
  atMs: number,
): Pick<PassedOver, 'reason' | 'message'> {
  if (madeMs !== undefined && madeMs > atMs)
    return beginsEarlier
      ? {
          reason: 'BeginsEarlier',
          message: `made later, at ${rfc3339(madeMs)}; it begins with earlier events`,
        }
      : {
          reason: 'MadeLater',
          message: `made later, at ${rfc3339(madeMs)} (delivery.millrace.dev/start: earliest begins with what is kept)`,
        };
  if (readySinceMs === undefined)
    return { reason: 'NotReady', message: `not ready: ${notReady ?? 'its channel has not marked it ready'}` };
  return { reason: 'ReadyLater', message: `not ready then; it has been since ${rfc3339(readySinceMs)}` };
}

function goneSince(
  { atMs, channel }: Accepted,
  { atMs: goneMs, group, subscription }: Signals['channel.forgot'],
  hasGot: boolean,
): readonly PassedOver[] {
  const at = rfc3339(goneMs);
  const about = { atMs, channel, group, subscription };
  if (hasGot)
    return [
      {
        ...about,
        signal: 'subscription.gone',
        reason: 'DeletedSince',
        message: `deleted since, at ${at}; what it was still owed was given up`,
      },
    ];
  if (goneMs > atMs) return []; // made and deleted after the event had come: it has nothing to do with it
  return [
    {
      ...about,
      signal: 'subscription.passedOver',
      reason: 'DeletedBefore',
      message: `deleted before, at ${at}`,
    },
  ];
}
