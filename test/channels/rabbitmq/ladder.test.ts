import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOLD_MAX_MS, LADDER_MS, rungFor } from '../../../src/channels/rabbitmq/ladder.ts';
import { exchangeNameOf, queueNamesOf } from '../../../src/channels/rabbitmq/names.ts';

/** Climbs as messages do, each rung a little late; returns how late it is in the end, and how many rungs it took. */
function climb(delayMs: number, slowMs: number): { lateMs: number; rungs: number } {
  let atMs = 0;
  for (let rungs = 0; ; rungs += 1) {
    const rung = rungFor(delayMs - atMs);
    if (rung === undefined) return { lateMs: Math.max(0, atMs - delayMs), rungs };
    atMs += (LADDER_MS[rung] ?? 0) + slowMs;
  }
}

describe('the ladder of waiting queues', () => {
  it('brings a message back when it is due: late by a sixteenth or 25 ms at most, besides what the broker is slow', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 86_400_000 }),
        fc.integer({ min: 0, max: 5 }),
        (delayMs, slowMs) => {
          const { lateMs, rungs } = climb(delayMs, slowMs);
          expect(lateMs).toBeLessThanOrEqual(Math.max(25, delayMs / 16) + slowMs);
          expect(rungs).toBeLessThanOrEqual(delayMs / 409_600 + 20);
        },
      ),
    );
  });

  it.each([
    [0, undefined],
    [HOLD_MAX_MS, undefined],
    [80, 0],
    [199, 0],
    [390, 1],
    [200_000, 5],
    [86_400_000, 6],
  ])('sends what is due in %d ms to rung %s', (leftMs, rung) => {
    expect(rungFor(leftMs)).toBe(rung);
  });

  it('takes a step or two for the delays of the default back-off', () => {
    for (let retry = 0; retry < 10; retry += 1)
      expect(climb(200 * 2 ** retry, 2).rungs).toBeLessThanOrEqual(3);
  });
});

describe('the names of a channel', () => {
  it('are told from namespace, name and group, and no two groups meet', () => {
    const exchange = exchangeNameOf({ namespace: 'demo', name: 'orders' });
    expect(exchange).toBe('knative-messaging.demo.orders');
    expect(queueNamesOf(exchange, 'audit')).toMatchObject({
      main: 'knative-messaging.demo.orders:audit',
      retry: 'knative-messaging.demo.orders:audit:retry',
      dead: 'knative-messaging.demo.orders:audit:dead',
    });
    expect(queueNamesOf(exchange, 'audit:retry').main).not.toBe(queueNamesOf(exchange, 'audit').retry);
    expect(queueNamesOf('amq.fanout', 'audit').main).toBe('knative-messaging.amq.fanout:audit');
    expect(queueNamesOf(`${exchange}.a`, 'b').main).not.toBe(queueNamesOf(exchange, 'a.b').main);
  });

  it('are never longer than AMQP allows, and differ when they are cut', () => {
    const long = (last: string): string =>
      exchangeNameOf({ namespace: 'n'.repeat(63), name: 'x'.repeat(252) + last });
    expect(long('a')).not.toBe(long('b'));
    const names = queueNamesOf(long('a'), 'ü'.repeat(100));
    expect(
      Math.max(...[...names.waits, `${names.settling}12345678`].map((name) => Buffer.byteLength(name))),
    ).toBeLessThanOrEqual(255);
    expect(names.main).not.toBe(queueNamesOf(long('b'), 'ü'.repeat(100)).main);
  });
});
