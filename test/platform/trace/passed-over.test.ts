import { describe, expect, it } from 'vitest';
import {
  withPassedOver,
  type Subscriber,
  type Subscribers,
} from '../../../src/platform/trace/passed-over.ts';
import type { JournalRecord } from '../../../src/telemetry/journal.ts';

const CHANNEL = 'LogChannel/demo/orders';
const AT = Date.parse('2026-01-01T12:00:00.500Z');
const EVENT = { id: 'e-1', source: '/shop', type: 'order.paid', channel: CHANNEL };
const accepted: JournalRecord = {
  ...EVENT,
  signal: 'channel.accepted',
  atMs: AT,
  durableMs: AT + 1,
  seq: 1,
  bytes: 10,
  groups: ['kept'],
};
const attempted = (group: string): JournalRecord => ({
  ...EVENT,
  signal: 'dispatcher.attempted',
  atMs: AT + 5,
  tookMs: 1,
  group,
  stage: 'deliver',
  attempt: 1,
  url: 'http://there.example/',
  code: 200,
  outcome: 'delivered',
  reason: undefined,
  next: 'settled',
  dueMs: undefined,
});
const subscriber = (group: string, fields: Partial<Subscriber> = {}): Subscriber => ({
  group,
  subscription: `demo/${group}`,
  madeMs: AT - 60_000,
  readySinceMs: AT - 59_000,
  notReady: undefined,
  beginsEarlier: false,
  ...fields,
});
const forgot = (group: string, atMs: number): Subscribers['gone'][number] => ({
  atMs,
  channel: CHANNEL,
  group,
  subscription: `demo/${group}`,
});

function told(subscribers: Partial<Subscribers>, records: readonly JournalRecord[] = [accepted]): unknown[] {
  const all = withPassedOver(records, () => ({ now: [], gone: [], ...subscribers }));
  return all.flatMap((each) =>
    'reason' in each && 'subscription' in each ? [[each.group, each.reason]] : [],
  );
}

describe('who has not got an event', () => {
  it.each<[string, Partial<Subscriber>]>([
    ['MadeLater', { madeMs: AT + 500, readySinceMs: AT + 500 }],
    ['BeginsEarlier', { madeMs: AT + 500, beginsEarlier: true }],
    ['NotReady', { readySinceMs: undefined, notReady: 'the sink is not there' }],
    ['ReadyLater', { readySinceMs: AT + 30_000 }],
  ])('is %s by what its Subscription says', (reason, fields) => {
    expect(told({ now: [subscriber('other', fields)] })).toEqual([['other', reason]]);
  });

  it('is nobody whom it was kept for, or whom it was brought to', () => {
    const now = [subscriber('kept'), subscriber('later', { madeMs: AT + 9000, beginsEarlier: true })];
    expect(told({ now }, [accepted, attempted('later')])).toEqual([]);
  });

  it('tells those that are gone: before it came, or since; not those that came and went after it', () => {
    const gone = [forgot('kept', AT + 9000), forgot('before', AT - 9000), forgot('after', AT + 9000)];
    expect(told({ gone })).toEqual([
      ['kept', 'DeletedSince'],
      ['before', 'DeletedBefore'],
    ]);
  });

  it('stands right behind the acceptance, and repeats why it is not ready', () => {
    const now = [subscriber('other', { readySinceMs: undefined, notReady: 'the sink is not there' })];
    const all = withPassedOver([accepted, attempted('kept')], () => ({ now, gone: [] }));
    expect(all.map(({ signal }) => signal)).toEqual([
      'channel.accepted',
      'subscription.passedOver',
      'dispatcher.attempted',
    ]);
    expect(all[1]).toMatchObject({ atMs: AT, message: 'not ready: the sink is not there' });
  });
});
