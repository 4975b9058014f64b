import { describe, expect, it } from 'vitest';
import type { Consumer, Verdict } from '../../src/channels/channel.ts';
import { Offers, type Held } from '../../src/channels/offers.ts';
import { OPTIONS } from '../contracts/channel.ts';
import { anEvent, idOf } from '../kit/events.ts';
import { FakeClock } from '../kit/fake-clock.ts';

const SETTLED: Verdict = { kind: 'settled' };
const clock = new FakeClock();

/** Held until it is settled; a retry holds it for `retryMs` more. */
function held(id: string, { key, retryMs }: { key?: string; retryMs?: number } = {}, attempt = 1): Held {
  const event = anEvent(id, key === undefined ? {} : { partitionkey: key });
  return {
    event,
    attempt,
    stage: { kind: 'deliver' },
    seq: 0,
    conclude: async ({ kind }) =>
      kind === 'retry' && retryMs !== undefined
        ? {
            ...held(id, { retryMs, ...(key !== undefined && { key }) }, attempt + 1),
            dueMs: clock.nowMs() + retryMs,
          }
        : undefined,
  };
}

const retry: Verdict = { kind: 'retry', dueMs: 0, reason: 'busy', code: 503 };

describe('the offers of a group', () => {
  it('O1 has no more under way than it may, and goes on in the order they came', async () => {
    const offers = new Offers(clock);
    const gates: [string, (verdict: Verdict) => void][] = [];
    offers.serve({ ...OPTIONS, inFlightMax: 2 }, ({ event }) => {
      return new Promise((resolve) => gates.push([idOf(event), resolve]));
    });
    for (const id of ['a', 'b', 'c']) offers.take(held(id));
    expect(gates.map(([id]) => id)).toEqual(['a', 'b']);
    gates[1]?.[1](SETTLED);
    await expect.poll(() => gates.map(([id]) => id)).toEqual(['a', 'b', 'c']);
    expect(offers).toMatchObject({ inFlight: 2, size: 2 });
  });

  it('O2 lets a key wait for its own retry, and other keys pass', async () => {
    const offers = new Offers(clock);
    const settled: string[] = [];
    offers.serve({ ...OPTIONS, isOrdered: true }, async ({ event, attempt }) => {
      if (idOf(event) === 'a1' && attempt === 1) return retry;
      settled.push(`${idOf(event)} ${attempt}`);
      return SETTLED;
    });
    offers.take(held('a1', { key: 'a', retryMs: 100 }));
    offers.take(held('a2', { key: 'a' }));
    offers.take(held('b1', { key: 'b' }));
    await expect.poll(() => offers.waiting).toBe(1);
    expect(settled).toEqual(['b1 1']);
    clock.advance(100);
    await expect.poll(() => settled).toEqual(['b1 1', 'a1 2', 'a2 1']);
    await expect.poll(() => offers.size).toBe(0);
  });

  it('O2 takes up an order, and gives it up, while events wait', async () => {
    const offers = new Offers(clock);
    const gates = new Map<string, (verdict: Verdict) => void>();
    const consumer: Consumer = ({ event }) => new Promise((resolve) => gates.set(idOf(event), resolve));
    const started = (): string[] => [...gates.keys()];
    offers.serve({ ...OPTIONS, inFlightMax: 1 }, consumer);
    for (const id of ['a1', 'a2', 'b1', 'a3']) offers.take(held(id, { key: id.slice(0, 1) }));
    offers.serve({ ...OPTIONS, isOrdered: true }, consumer);
    expect(started()).toEqual(['a1', 'a2', 'b1']); // a1 was under way before; a3 waits for a2
    gates.get('a1')?.(SETTLED);
    gates.get('b1')?.(SETTLED);
    await expect.poll(() => offers.size).toBe(2);
    expect(started()).not.toContain('a3');
    offers.serve(OPTIONS, consumer);
    expect(started()).toEqual(['a1', 'a2', 'b1', 'a3']);
    gates.get('a2')?.(SETTLED);
    gates.get('a3')?.(SETTLED);
    await expect.poll(() => offers.size).toBe(0);
  });

  it('O3 says when there is room again', async () => {
    let rooms = 0;
    const offers = new Offers(clock, () => (rooms += 1));
    offers.serve(OPTIONS, async () => SETTLED);
    offers.take(held('a'));
    await expect.poll(() => rooms).toBe(1);
    expect(offers.size).toBe(0);
  });

  it('O4 offers nothing after stop(), waits for what is under way, and aborts it after the grace time', async () => {
    const offers = new Offers(clock);
    const seen: string[] = [];
    offers.serve({ ...OPTIONS, inFlightMax: 1 }, async ({ event }, signal) => {
      seen.push(idOf(event));
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return SETTLED;
    });
    offers.take(held('hangs'));
    offers.take(held('waits'));
    const stopped = offers.stop(1000).then(() => seen.push('stopped'));
    clock.advance(1000);
    await Promise.all([stopped, offers.stop(1000)]);
    expect(seen).toEqual(['hangs', 'stopped']);
  });

  it('gives up what is ready and chosen, and never what is under way or holds a key', async () => {
    const offers = new Offers(clock);
    offers.serve({ ...OPTIONS, inFlightMax: 1 }, () => new Promise(() => undefined));
    for (const id of ['a', 'b', 'c', 'd']) offers.take(held(id));
    expect(offers.withdraw(({ event }) => idOf(event) !== 'c').map(({ event }) => idOf(event))).toEqual([
      'b',
      'd',
    ]);
    expect(offers).toMatchObject({ inFlight: 1, size: 2 });
    const ordered = new Offers(clock);
    ordered.serve({ ...OPTIONS, inFlightMax: 0, isOrdered: true }, () => new Promise(() => undefined));
    ordered.take(held('a1', { key: 'a' }));
    expect(ordered.withdraw(() => true)).toEqual([]);
  });

  it('gives up what stands behind an event that waits for its time, and nothing else', async () => {
    const offers = new Offers(clock);
    const offered: string[] = [];
    offers.serve({ ...OPTIONS, inFlightMax: 1, isOrdered: true }, async ({ event }) => {
      offered.push(idOf(event));
      return idOf(event) === 'a1' ? retry : new Promise(() => undefined);
    });
    for (const id of ['a1', 'a2', 'b1', 'b2', 'a3'])
      offers.take(held(id, { key: id.slice(0, 1), retryMs: 50 }));
    await expect.poll(() => offered).toEqual(['a1', 'b1']);
    expect(offers.withdrawBehindWaiting().map(({ event }) => idOf(event))).toEqual(['a2', 'a3']);
    expect(offers).toMatchObject({ size: 3, inFlight: 1, waiting: 1 });
    expect(offers.withdrawBehindWaiting()).toEqual([]);
  });
});
