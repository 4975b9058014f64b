import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackingChannel, DeliverySpec } from '../../src/apis/duck.ts';
import type { Channel } from '../../src/channels/channel.ts';
import { ANNOTATIONS } from '../../src/subscriptions/annotations.ts';
import { anEvent } from '../kit/events.ts';
import { DeliveryWorld, KEY, OBJECT, QUICK } from '../kit/delivery.ts';
import { brokenSubscriber } from '../kit/subscribers.ts';

let world: DeliveryWorld;
beforeEach(() => {
  world = new DeliveryWorld();
});
afterEach(() => world.close());

const REPLY = { 'ce-specversion': '1.0', 'ce-id': 'r-1', 'ce-source': '/mailer', 'ce-type': 'mail.sent' };
/** The second attempt comes soon enough for a test, and late enough to change the plan before it. */
const SLOW: DeliverySpec = { ...QUICK, retry: 5, backoffPolicy: 'exponential', backoffDelay: 'PT0.3S' };

const annotated = (annotations: Record<string, string>): BackingChannel => ({
  ...OBJECT,
  metadata: { ...OBJECT.metadata, annotations },
});
const publish = (...ids: string[]) => Promise.all(ids.map((id) => world.channel.publish(anEvent(id))));

describe('serving a channel', () => {
  it('delivers by the newest plan, what is in retry too', async () => {
    const [first, second] = [await world.answering(503), await world.answering(204)];
    await world.serve({ subscriberUri: first.url, delivery: SLOW });
    await publish('a');
    await expect.poll(() => world.attempts).toHaveLength(1);
    await world.serve({ subscriberUri: second.url, delivery: SLOW });
    await publish('b');
    await expect.poll(() => second.requests.map(({ headers }) => headers['ce-id'])).toEqual(['b', 'a']);
    expect(first.requests).toHaveLength(1);
  });

  it('consumes anew only what has changed', async () => {
    const consumed: string[] = [];
    const counting: Channel = {
      lost: world.channel.lost,
      publish: (event) => world.channel.publish(event),
      consume: (group, options, consumer) => (
        consumed.push(group),
        world.channel.consume(group, options, consumer)
      ),
      forget: (group) => world.channel.forget(group),
      backlog: () => world.channel.backlog(),
      close: () => world.channel.close(),
    };
    const plan = (group: string, replyUrl?: string) => ({ ...PLAN, group, replyUrl });
    await world.dispatcher.serve(KEY, counting, [plan('a'), plan('b')]);
    await world.dispatcher.serve(KEY, counting, [plan('a'), plan('b', 'http://x.test/'), plan('c')]);
    expect(consumed).toEqual(['a', 'b', 'b', 'c']);
    world.dispatcher.leave(KEY); // as when the channel was reopened
    await world.dispatcher.serve(KEY, counting, [plan('a')]);
    expect(consumed.slice(4)).toEqual(['a']);
  });

  it('takes overlapping calls one after the other, so that the last one wins (S2)', async () => {
    const mailers = await Promise.all([1, 2, 3].map(() => world.answering(204)));
    await Promise.all(mailers.map(({ url }) => world.serve({ subscriberUri: url })));
    await publish('a');
    await expect.poll(() => world.owed()).toBe(0);
    expect(mailers.map(({ requests }) => requests.length)).toEqual([0, 0, 1]);
  });

  it('says with which subscriber it cannot, and why, and serves the others (S3)', async () => {
    const mailer = await world.answering(204);
    const served = await world.serve({}, { subscriberUri: mailer.url });
    expect(served).toEqual([
      { kind: 'waiting', group: 'u-0', reason: expect.stringContaining('has neither subscriberUri') },
      { kind: 'serving', group: 'u-1' },
    ]);
    await publish('a');
    await expect.poll(() => mailer.requests).toHaveLength(1);
  });

  it('says so when the channel does not take a subscriber, and tries again on the next call', async () => {
    const closed = new DeliveryWorld();
    await closed.close();
    const refusing: Channel = {
      lost: closed.channel.lost,
      publish: (event) => closed.channel.publish(event),
      consume: () => Promise.reject(new Error('the channel is closed')),
      forget: () => Promise.resolve(0),
      backlog: () => Promise.resolve([]),
      close: () => Promise.resolve(),
    };
    const waiting = [{ kind: 'waiting', group: 'u-9', reason: 'the channel is closed' }];
    const plan = { ...PLAN, group: 'u-9' };
    expect(await world.dispatcher.serve(KEY, refusing, [plan])).toEqual(waiting);
    expect(await world.dispatcher.serve(KEY, refusing, [plan])).toEqual(waiting);
  });
});

const BUSY = { kind: 'retry', reason: 'busy', code: 503 } as const;
const PLAN = {
  kind: 'plan',
  name: 'audit',
  namespace: 'demo',
  subscriberUrl: 'http://mailer.test/',
  replyUrl: undefined,
  deadLetterUrl: undefined,
  retriesMax: 0,
  backoff: { policy: 'linear', delayMs: 0 },
  timeoutMs: 1000,
  retryAfterMaxMs: 0,
  format: 'binary',
  options: { start: 'latest', inFlightMax: 1, isOrdered: false },
} as const;

describe('a subscriber whose plan is gone or invalid (S1)', () => {
  it('is offered nothing more; what it is owed waits, and comes with its next plan', async () => {
    const mailer = await world.answering(204);
    await world.serve({ subscriberUri: mailer.url });
    const broken = annotated({ [ANNOTATIONS.inFlightMax]: 'many' });
    expect(await world.serveOn(broken, { subscriberUri: mailer.url })).toMatchObject([{ kind: 'waiting' }]);
    await publish('a', 'b');
    expect(await world.owed()).toBe(2);
    expect(mailer.requests).toEqual([]);
    await world.serve({ subscriberUri: mailer.url });
    await expect.poll(() => world.owed()).toBe(0);
    expect(mailer.requests).toHaveLength(2);
  });

  it('loses what it is owed by forget() alone, which says how much that was (C5)', async () => {
    const mailer = await world.answering(204);
    await world.serve({ subscriberUri: mailer.url });
    const gone = [{ kind: 'gone', group: 'u-0', name: 'u-0' }];
    expect(await world.serve()).toEqual(gone);
    await publish('a', 'b');
    expect(await world.serve()).toEqual(gone); // until it is forgotten
    expect(await world.dispatcher.forget(KEY, 'u-0')).toBe(2);
    expect(await world.serve()).toEqual([]);
    expect(mailer.requests).toEqual([]);
  });

  it('is named when its plan went while nobody served the channel, as after a restart', async () => {
    await world.channel.consume('u-8', PLAN.options, async () => ({ ...BUSY, dueMs: Date.now() + 60_000 }));
    await publish('a');
    const served = [{ kind: 'gone', group: 'u-8', name: 'u-8' }];
    expect(await world.serve()).toEqual(served);
    expect(await world.dispatcher.forget(KEY, 'u-8')).toBe(1);
    expect(await world.serve()).toEqual([]);
  });

  it('cannot be forgotten on a channel that is not served: that is no zero', async () => {
    await expect(world.dispatcher.forget('LogChannel/demo/other', 'u-0')).rejects.toMatchObject({
      code: 'CHANNEL_NOT_SERVED',
    });
  });
});

describe('a destination that the subscription no longer names (D6)', () => {
  it('gets no reply, and nobody else gets it: it is dropped with the reason', async () => {
    const answers = await world.answering(503);
    const mailer = await world.answeringWith(200, REPLY);
    await world.serve({ subscriberUri: mailer.url, replyUri: answers.url, delivery: SLOW });
    await publish('a');
    await expect.poll(() => answers.requests).toHaveLength(1);
    await world.serve({ subscriberUri: mailer.url, delivery: SLOW });
    const dropped = { id: 'r-1', dropped: 'the subscription names no reply destination' };
    await expect.poll(() => world.replies).toMatchObject([dropped]);
    await expect.poll(() => world.owed()).toBe(0);
    expect(mailer.requests).toHaveLength(1);
  });

  it('gets no dead letter, and nobody else gets it: it is kept in the store', async () => {
    const [dead, mailer] = [await world.answering(503), await world.answering(400)];
    const delivery = { ...SLOW, deadLetterSink: { uri: dead.url } };
    await world.serve({ subscriberUri: mailer.url, delivery });
    await publish('a');
    await expect.poll(() => dead.requests).toHaveLength(1);
    await world.serve({ subscriberUri: mailer.url, delivery: SLOW });
    await expect.poll(() => world.letters()).toMatchObject([{ failure: { dest: mailer.url, code: 400 } }]);
    expect(mailer.requests).toHaveLength(1);
  });
});

describe('stopping (C6, D7)', () => {
  it('cuts what does not end in time; its event stays owed, even on its last attempt', async () => {
    const hanging = world.with(await brokenSubscriber(() => undefined));
    await world.serve({ subscriberUri: hanging.url, delivery: { retry: 0, timeout: 'PT30S' } });
    await publish('a');
    await expect.poll(async () => (await world.channel.backlog())[0]?.inFlight).toBe(1);
    await world.channel.close();
    expect(world.attempts).toMatchObject([
      { next: 'retry', code: 0, reason: 'stopped before there was an answer' },
    ]);
    expect(await world.owed()).toBe(1);
    expect(await world.letters()).toEqual([]);
  });

  it('waits for the answer to what is under way, and begins nothing new', async () => {
    const patient = new DeliveryWorld({ graceMs: 5000 });
    let answer: (() => void) | undefined;
    const slow = patient.with(
      await brokenSubscriber((socket) =>
        socket.on('data', () => {
          answer = () => socket.write('HTTP/1.1 204 No Content\r\n\r\n');
        }),
      ),
    );
    const one = annotated({ [ANNOTATIONS.inFlightMax]: '1' });
    await patient.serveOn(one, { subscriberUri: slow.url, delivery: { timeout: 'PT30S' } });
    await patient.channel.publish(anEvent('a'));
    await patient.channel.publish(anEvent('b'));
    await expect.poll(() => answer).toBeDefined();
    const closing = patient.channel.close();
    answer?.();
    await closing;
    expect(patient.attempts).toMatchObject([{ id: 'a', next: 'settled' }]);
    expect(await patient.owed()).toBe(1);
    await patient.close();
  });
});

describe('what is under way for a subscription', () => {
  it('is bounded by its annotation', async () => {
    let [open, most] = [0, 0];
    const mailer = world.with(
      await brokenSubscriber((socket) =>
        socket.on('data', () => {
          most = Math.max(most, (open += 1));
          setTimeout(() => ((open -= 1), socket.write('HTTP/1.1 204 No Content\r\n\r\n')), 5);
        }),
      ),
    );
    await world.serveOn(annotated({ [ANNOTATIONS.inFlightMax]: '3' }), { subscriberUri: mailer.url });
    await publish(...Array.from({ length: 30 }, (_, i) => `e-${i}`));
    await expect.poll(() => world.owed()).toBe(0);
    expect(most).toBe(3);
  });
});
