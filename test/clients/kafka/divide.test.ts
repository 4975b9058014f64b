import { describe, expect, it } from 'vitest';
import { divide, type Subscriber } from '../../../src/clients/kafka/divide.ts';

const asks = (memberId: string, ...topics: string[]): Subscriber => ({ memberId, topics });
const counts = (sizes: Readonly<Record<string, number>>): ReadonlyMap<string, number> =>
  new Map(Object.entries(sizes));

describe('a group', () => {
  it('keeps the same partition of all topics together, unless it is spread', () => {
    const members = [asks('b', 'orders', 'orders.retry'), asks('a', 'orders', 'orders.retry')];
    const shares = divide(members, counts({ orders: 3, 'orders.retry': 2 }), false);
    expect(shares).toEqual(
      new Map([
        ['a', { orders: [0, 2], 'orders.retry': [0] }],
        ['b', { orders: [1], 'orders.retry': [1] }],
      ]),
    );
  });

  it('shares many small topics out when it is spread, the same however members and topics are listed', () => {
    const topics = counts({ c: 1, a: 1, b: 1, d: 1 });
    const shares = divide([asks('y', ...topics.keys()), asks('x', ...topics.keys())], topics, true);
    expect(shares).toEqual(
      new Map([
        ['x', { a: [0], c: [0] }],
        ['y', { b: [0], d: [0] }],
      ]),
    );
  });

  it('gives nobody a topic that it has not asked for, and every partition to somebody', () => {
    const members = [asks('old', 'orders'), asks('new', 'orders', 'bills')];
    const shares = divide(members, counts({ orders: 4, bills: 2 }), true);
    expect(shares.get('old')).toEqual({ orders: [1, 3] });
    expect(shares.get('new')).toEqual({ orders: [0, 2], bills: [0, 1] });
  });

  it('has nothing for a member of which no topic is there', () => {
    expect(divide([asks('a', 'gone')], counts({}), true)).toEqual(new Map([['a', {}]]));
  });
});
