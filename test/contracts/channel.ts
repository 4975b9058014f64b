import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import type {
  Channel,
  Consumer,
  DeadLetterStore,
  GroupOptions,
  Offer,
  Stage,
  Verdict,
} from '../../src/channels/channel.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { anEvent, idOf } from '../kit/events.ts';

/** How the suite meets a backend: each test has a channel of its own. */
export type Backend = {
  readonly clock: Clock;
  /** Called while the suite waits: moves a clock that does not move by itself. */
  readonly tick: () => void;
  readonly open: () => Promise<Channel & DeadLetterStore>;
  /** Closes everything and opens the same channel again, as after a restart; absent when nothing survives one. */
  readonly reopen?: (channel: Channel) => Promise<Channel & DeadLetterStore>;
  readonly release: () => Promise<void>;
  /** What backlog() counts after a restart: all that is owed, or only what this process has seen, where the broker does not tell. */
  readonly figures?: 'whole' | 'seen';
  /** A second platform on the same channel, closed by release(); absent when there is no broker to share. */
  readonly join?: () => Promise<Channel & DeadLetterStore>;
};

const SETTLED: Verdict = { kind: 'settled' };
const FAILURE = { dest: 'http://subscriber.test/', code: 410, data: '', reason: 'no such order' };
const DEAD: Verdict = { kind: 'dead', failure: FAILURE };
export const OPTIONS: GroupOptions = { start: 'latest', inFlightMax: 10, isOrdered: false };

/** The promises of src/channels/channel.ts and P2, P3, P5 of the design, for any adapter. */
export function channelContract(
  name: string,
  { clock, tick, open, reopen, release, join, figures = 'whole' }: Backend,
): void {
  const retryIn = (ms: number): Verdict => ({
    kind: 'retry',
    dueMs: clock.nowMs() + ms,
    reason: 'busy',
    code: 503,
  });
  const eventually = <T>(read: () => T | Promise<T>) =>
    expect.poll(() => (tick(), read()), { interval: 10, timeout: 10_000 });

  describe(`${name} keeps the channel contract`, () => {
    let channel: Channel & DeadLetterStore;
    beforeEach(async () => {
      channel = await open();
    });
    afterEach(release);

    const consume = (consumer: Consumer, options: Partial<GroupOptions> = {}, group = 'audit') =>
      channel.consume(group, { ...OPTIONS, ...options }, consumer);
    const publish = async (...ids: string[]): Promise<void> => {
      for (const id of ids) await channel.publish(anEvent(id));
    };

    it('C1 keeps what it accepted for every group that was there, and for no group that came later', async () => {
      const seen: string[] = [];
      const settle =
        (group: string): Consumer =>
        async ({ event }) => (seen.push(`${group} ${idOf(event)}`), SETTLED);
      await consume(settle('audit'));
      await consume(settle('mail'), {}, 'mail');
      await publish('first');
      await eventually(() => seen.toSorted()).toEqual(['audit first', 'mail first']);
      await consume(settle('late'), {}, 'late');
      await publish('second');
      await eventually(() => seen.length).toBe(5);
      expect(seen).not.toContain('late first');
    });

    it('C2 counts attempts from 1, and offers no sooner than due', async () => {
      const offers: [attempt: number, atMs: number][] = [];
      let dueMs = 0;
      await consume(async ({ attempt }) => {
        offers.push([attempt, clock.nowMs() - dueMs]);
        dueMs = clock.nowMs() + 60;
        return attempt < 3 ? { kind: 'retry', dueMs, reason: 'busy', code: 503 } : SETTLED;
      });
      await publish('e');
      await eventually(() => offers.map(([attempt]) => attempt)).toEqual([1, 2, 3]);
      for (const [, lateMs] of offers) expect(lateMs).toBeGreaterThanOrEqual(0);
    });

    it('C3 a retry, or an event that is never answered, delays no other', async () => {
      const settled: string[] = [];
      await consume(async ({ event, attempt }) => {
        const id = idOf(event);
        if (id === 'hangs') return new Promise(() => undefined);
        if (attempt === 1) return retryIn(id === 'slow' ? 1500 : 50);
        settled.push(id);
        return SETTLED;
      });
      await publish('hangs', 'slow', 'fast');
      await eventually(() => settled).toEqual(['fast', 'slow']);
    }, 30_000);

    it("C2 offers an event no more once it was answered 'dead', and keeps it with its reason (P2)", async () => {
      const offered: string[] = [];
      await consume(
        async ({ event }) => (offered.push(idOf(event)), idOf(event) === 'gone' ? DEAD : SETTLED),
      );
      await publish('gone', 'next');
      await eventually(() => offered).toEqual(['gone', 'next']);
      await eventually(() => channel.deadLetters({ limit: 10 })).toHaveLength(1);
      const [letter] = await channel.deadLetters({ limit: 10, eventId: 'gone' });
      expect(letter).toMatchObject({ group: 'audit', attempts: 1, failure: FAILURE });
      expect(letter && shape(letter.event)).toEqual(shape(anEvent('gone')));
      expect(await channel.deadLetters({ limit: 10, eventId: 'next' })).toEqual([]);
    });

    it('C2 keeps the stage that a consumer advanced to, and counts its attempts anew', async () => {
      const reply = { ...anEvent('reply'), body: Uint8Array.of(0, 255) };
      const offers: [Stage['kind'], number][] = [];
      await consume(async ({ stage, attempt }) => {
        offers.push([stage.kind, attempt]);
        if (stage.kind === 'deliver')
          return attempt === 1 ? retryIn(1) : { kind: 'advance', stage: { kind: 'reply', reply } };
        if (stage.kind === 'reply') {
          expect(shape(stage.reply)).toEqual(shape(reply));
          return attempt === 1
            ? retryIn(1)
            : { kind: 'advance', stage: { kind: 'deadLetter', failure: FAILURE } };
        }
        expect(stage.failure).toEqual(FAILURE);
        return attempt === 1 ? retryIn(1) : SETTLED;
      });
      await publish('e');
      await eventually(() => offers).toEqual([
        ['deliver', 1],
        ['deliver', 2],
        ['reply', 1],
        ['reply', 2],
        ['deadLetter', 1],
        ['deadLetter', 2],
      ]);
    });

    it('C4 never has more unanswered offers than it was told, and a new consumer takes over', async () => {
      const gates: ((verdict: Verdict) => void)[] = [];
      await consume(() => new Promise((resolve) => gates.push(resolve)), { inFlightMax: 2 });
      await publish('a', 'b', 'c', 'd');
      await eventually(() => gates.length).toBe(2);
      const later: string[] = [];
      await consume(async ({ event }) => (later.push(idOf(event)), SETTLED), { inFlightMax: 2 });
      expect(gates).toHaveLength(2);
      for (const answer of gates) answer(SETTLED);
      await eventually(() => later.toSorted()).toEqual(['c', 'd']);
    });

    it('C4 offers nothing while it may have none unanswered, and all of it afterwards', async () => {
      const offered: string[] = [];
      const settle: Consumer = async ({ event }) => (offered.push(idOf(event)), SETTLED);
      await consume(settle, { inFlightMax: 0 });
      await publish('a', 'b');
      await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 2, inFlight: 0 });
      expect(offered).toEqual([]);
      await consume(settle);
      await eventually(() => offered).toEqual(['a', 'b']);
    });

    it('C5 gives up what a forgotten group was owed, and says how much that was', async () => {
      const offered: string[] = [];
      await consume(async ({ event }) => (offered.push(idOf(event)), retryIn(50)));
      await publish('a', 'b', 'c');
      await eventually(() => new Set(offered).size).toBe(3);
      await eventually(async () => (await channel.backlog())[0]?.inFlight).toBe(0);
      expect(await channel.forget('audit')).toBe(3);
      expect(await channel.backlog()).toEqual([]);
      expect(await channel.forget('audit')).toBe(0);
    });

    it('C6 waits for a running consumer before close() resolves, however often it is called', async () => {
      const steps: string[] = [];
      const gate = Promise.withResolvers<Verdict>();
      await consume(() => {
        steps.push('started');
        return gate.promise.finally(() => steps.push('finished'));
      });
      await publish('e');
      await eventually(() => steps).toEqual(['started']);
      const closing = channel.close().then(() => steps.push('closed'));
      gate.resolve(SETTLED);
      await Promise.all([closing, channel.close()]);
      expect(steps).toEqual(['started', 'finished', 'closed']);
      await expect(channel.publish(anEvent())).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
    });

    it('C6 aborts what has not answered after the grace time, and offers nothing more', async () => {
      const offered: string[] = [];
      await consume(
        async ({ event }, signal) => {
          offered.push(idOf(event));
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          return retryIn(0);
        },
        { inFlightMax: 1 },
      );
      await publish('hangs', 'waits');
      await eventually(() => offered).toEqual(['hangs']);
      let isClosed = false;
      void channel.close().then(() => (isClosed = true));
      await eventually(() => isClosed).toBe(true);
      expect(offered).toEqual(['hangs']);
    });

    it('P6 refuses an event that would be more than a group may owe, and takes it once there is room', async () => {
      const gate = Promise.withResolvers<Verdict>();
      await consume(() => gate.promise, { backlogBytesMax: 150 });
      await publish('first');
      await eventually(async () => (await channel.backlog())[0]?.inFlight).toBe(1);
      await expect(publish('second')).rejects.toMatchObject({ code: 'CHANNEL_FULL', retryable: true });
      expect(await channel.backlog()).toMatchObject([{ events: 1 }]);
      gate.resolve(SETTLED);
      await eventually(() => publish('second').then(() => 'taken', String)).toBe('taken');
    });

    it('P3 offers the attributes and the bytes that were published, after a retry too', async () => {
      const published = {
        ...anEvent('e-1', { subject: 'Euro € 😀' }),
        body: Uint8Array.of(0, 255, 128, 10),
        headers: new Map([['x-request-id', 'r-1']]),
      };
      const offers: Offer[] = [];
      await consume(async (offer) => (offers.push(offer), offer.attempt === 1 ? retryIn(1) : SETTLED));
      await channel.publish(published);
      await eventually(() => offers.length).toBe(2);
      for (const { event } of offers) expect(shape(event)).toEqual(shape(published));
    });

    it('P5 keeps the order of each partition key under retries, and lets other keys pass', async () => {
      const settled: string[] = [];
      await consume(
        async ({ event, attempt }) => {
          const key = event.attributes.get('partitionkey');
          if (key === 'a' && attempt < 3) return retryIn(100);
          settled.push(idOf(event));
          return SETTLED;
        },
        { isOrdered: true },
      );
      for (const id of ['a1', 'a2', 'b1', 'a3', 'b2']) {
        await channel.publish(anEvent(id, { partitionkey: id.slice(0, 1) }));
      }
      await eventually(() => settled.length).toBe(5);
      expect(settled.slice(0, 2)).toEqual(['b1', 'b2']);
      expect(settled.slice(2)).toEqual(['a1', 'a2', 'a3']);
    });

    it('tells its backlog, and none once everything is settled', async () => {
      let isUp = false;
      await consume(async () => (isUp ? SETTLED : retryIn(30)));
      await publish('a', 'b');
      await eventually(async () => (await channel.backlog())[0]).toMatchObject({
        group: 'audit',
        events: 2,
        retrying: 2,
      });
      const [before] = await channel.backlog();
      expect(before?.bytes).toBeGreaterThanOrEqual(2 * anEvent().body.byteLength);
      expect(before?.oldestMs).toBeLessThanOrEqual(clock.nowMs());
      isUp = true;
      const none = {
        events: 0,
        bytes: 0,
        inFlight: 0,
        retrying: 0,
        dead: 0,
        isDeadFull: false,
        oldestMs: undefined,
      };
      await eventually(async () => (await channel.backlog())[0]).toMatchObject(none);
    });

    it('P7 nine groups get all of their events while the tenth hangs', async () => {
      const groups = Array.from({ length: 10 }, (_, i) => `group-${i}`);
      const settled = new Map(groups.map((group) => [group, 0]));
      let hanging = 0;
      for (const group of groups) {
        const settle: Consumer = async () => {
          settled.set(group, (settled.get(group) ?? 0) + 1);
          return SETTLED;
        };
        const hang: Consumer = (_, signal) => {
          hanging += 1;
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve(retryIn(0))));
        };
        await consume(group === 'group-0' ? hang : settle, { inFlightMax: 3 }, group);
      }
      await publish(...Array.from({ length: 30 }, (_, i) => `e-${i}`));
      await eventually(() => [...settled.values()].slice(1)).toEqual(Array.from({ length: 9 }, () => 30));
      await eventually(() => hanging).toBe(3);
    }, 60_000);

    if (join !== undefined) {
      it('shares the work of a group that has a name of its own, and goes on when one platform closes', async () => {
        const other = await join();
        const options = { sharedName: `shared-${randomUUID()}` };
        const seen: string[] = [];
        const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), SETTLED);
        await consume(settle, options);
        await other.consume('theirs', { ...OPTIONS, ...options }, settle);
        const first = Array.from({ length: 20 }, (_, i) => `first-${i}`);
        await publish(...first);
        await eventually(() => seen.toSorted()).toEqual(first.toSorted());
        await channel.close();
        for (let i = 0; i < 10; i += 1) await other.publish(anEvent(`second-${i}`));
        await eventually(() => new Set(seen).size).toBe(30);
        expect(seen).toHaveLength(30);
      }, 60_000);

      it('C5 leaves a group that has a name of its own to the others', async () => {
        const other = await join();
        const options = { sharedName: `shared-${randomUUID()}` };
        await consume(async () => retryIn(60_000), options);
        await other.consume('theirs', { ...OPTIONS, ...options, inFlightMax: 0 }, async () => SETTLED);
        await channel.forget('audit');
        await other.publish(anEvent('kept'));
        const seen: string[] = [];
        const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), SETTLED);
        await other.consume('theirs', { ...OPTIONS, ...options }, settle);
        await eventually(() => seen).toEqual(['kept']);
      }, 60_000);
    }

    /** Only for a backend that says that something survives. */
    const afterRestart = (title: string, claim: () => Promise<void>): void => {
      if (reopen !== undefined) it(title, claim);
    };

    afterRestart(
      'P2 a restart loses nothing that is owed: fresh, in retry, or in a later stage',
      async () => {
        const reply = anEvent('reply');
        let isAnswered = false;
        await consume(async ({ event, stage }, signal) => {
          if (idOf(event) === 'settled') return SETTLED;
          if (idOf(event) === 'answered' && stage.kind === 'deliver')
            return { kind: 'advance', stage: { kind: 'reply', reply } };
          if (stage.kind === 'reply') isAnswered = true;
          if (idOf(event) !== 'hangs') return retryIn(10);
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          return retryIn(0);
        });
        await publish('settled', 'retried', 'answered', 'hangs');
        await eventually(() => isAnswered).toBe(true);
        await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 3, inFlight: 1 });
        channel = (await reopen?.(channel)) ?? channel;
        await publish('later');
        const offered: string[] = [];
        await consume(async ({ event, stage }) => (offered.push(`${idOf(event)} ${stage.kind}`), SETTLED));
        await eventually(() => offered.toSorted()).toEqual([
          'answered reply',
          'hangs deliver',
          'later deliver',
          'retried deliver',
        ]);
      },
    );

    afterRestart(
      'P5 a restart keeps the order of each partition key, retries and their attempts included',
      async () => {
        await consume(async ({ event }) => (idOf(event) === 'b1' ? SETTLED : retryIn(30)), {
          isOrdered: true,
        });
        for (const id of ['a1', 'b1', 'a2', 'b2', 'a3'])
          await channel.publish(anEvent(id, { partitionkey: id.slice(0, 1) }));
        await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 4, retrying: 2 });
        channel = (await reopen?.(channel)) ?? channel;
        await channel.publish(anEvent('a4', { partitionkey: 'a' }));
        const settled: string[] = [];
        await consume(
          async ({ event, attempt }) => {
            if (idOf(event) === 'a1' && attempt < 4) return retryIn(20);
            settled.push(idOf(event));
            return SETTLED;
          },
          { isOrdered: true },
        );
        await eventually(() => settled.length).toBe(5);
        expect(settled.filter((id) => id.startsWith('a'))).toEqual(['a1', 'a2', 'a3', 'a4']);
        expect(settled).toContain('b2');
      },
    );

    afterRestart(
      'P2 a restart keeps dead letters, and what is owed to a group that does not consume',
      async () => {
        await consume(async ({ event }) => (idOf(event) === 'gone' ? DEAD : retryIn(0)));
        await publish('gone', 'kept');
        await eventually(async () => (await channel.backlog())[0]).toMatchObject({ events: 1, dead: 1 });
        channel = (await reopen?.(channel)) ?? channel;
        await publish('later');
        if (figures === 'whole') {
          const owed = { group: 'audit', events: 2, inFlight: 0, dead: 1 };
          await eventually(() => channel.backlog()).toMatchObject([owed]);
        }
        expect(await channel.forget('audit')).toEqual(figures === 'whole' ? 2 : expect.any(Number));
        expect(await channel.backlog()).toEqual([]);
        expect(await channel.deadLetters({ limit: 10, group: 'audit' })).toMatchObject([
          { failure: FAILURE },
        ]);
      },
    );
  });
}

function shape({ attributes, contentType, body, headers }: CloudEvent): unknown {
  return {
    attributes: Object.fromEntries(attributes),
    contentType,
    body: [...body],
    headers: headers && [...headers],
  };
}
