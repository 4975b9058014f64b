import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import murmur2OfKafkajs from 'kafkajs/src/producer/partitioners/default/murmur2.js';
import { delayClass } from '../../../src/channels/kafka/delay-classes.ts';
import { bury, buriedIn, keep, keptIn } from '../../../src/channels/kafka/kept-event.ts';
import { murmur2, partitionOfKey } from '../../../src/channels/kafka/murmur2.ts';
import { anEvent } from '../../kit/events.ts';

const FAILURE = { dest: 'http://subscriber.test/', code: 410, data: '', reason: 'no such order' };

describe('records in topics of our own', () => {
  it('keep an event with its notes, and its reply with all its bytes', () => {
    const reply = {
      ...anEvent('reply', { subject: 'ä' }),
      body: Buffer.of(0, 255),
      headers: new Map([['x-request-id', 'r']]),
    };
    const kept = { seq: 7, acceptedMs: 1, attempts: 2, dueMs: 3, stage: { kind: 'reply', reply } } as const;
    const read = keptIn(overTheWire(keep(anEvent('e'), kept)));
    expect(read?.event).toEqual(anEvent('e'));
    expect(read?.kept).toMatchObject({ seq: 7, acceptedMs: 1, attempts: 2, dueMs: 3 });
    const { stage } = read?.kept ?? {};
    expect(stage?.kind === 'reply' && { ...stage.reply, body: [...stage.reply.body] }).toEqual({
      ...reply,
      body: [0, 255],
    });
  });

  it('keep why an event was given up', () => {
    const note = { seq: 7, group: 'g', attempts: 2, diedMs: 3, failure: FAILURE };
    expect(buriedIn(overTheWire(bury(anEvent('e'), note)))).toEqual({ event: anEvent('e'), note });
  });

  it('take what others wrote there for what it is: not ours', () => {
    expect(keptIn({ key: null, value: Buffer.from('x'), headers: {} })).toBeUndefined();
    expect(buriedIn({ key: null, value: null, headers: {} })).toBeUndefined();
  });
});

describe('places', () => {
  it('of a key are those of other clients', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (key) => {
        const theirs = (murmur2OfKafkajs as (key: string) => number)(key);
        expect(murmur2(Buffer.from(key))).toBe(theirs);
      }),
    );
    expect(partitionOfKey('order-1', 1)).toBe(0);
  });

  it.each([
    [-5, 0],
    [0, 0],
    [399, 0],
    [400, 1],
    [1600, 2],
    [60_000, 4],
    [3_600_000, 7],
    [1e12, 7],
  ])('of a wait of %d ms is partition %d of the retry topic', (delayMs, partition) => {
    expect(delayClass(delayMs)).toBe(partition);
  });
});

/** Header values come back as bytes. */
function overTheWire(message: ReturnType<typeof keep>): ReturnType<typeof keep> {
  const headers = Object.entries(message.headers).map(([name, value]) => [
    name,
    typeof value === 'string' ? Buffer.from(value) : value,
  ]);
  return { ...message, headers: Object.fromEntries(headers) };
}
