import { describe, expect, it } from 'vitest';
import { HostTable } from '../../../src/serving/gateway/host-table.ts';
import type { RoutePlan } from '../../../src/serving/plan.ts';

const plan = (key: string, since?: string): RoutePlan => ({
  key,
  ...(since !== undefined && { since }),
  publicHosts: [],
  localHosts: [],
  targets: [],
});

describe('the hosts of a listener', () => {
  const table = new HostTable(() => undefined);
  for (const host of [
    'shop.example',
    '*.shop.example',
    '*.eu.shop.example',
    'a.eu.shop.example',
    '*.example',
  ])
    table.set(plan(host), [host], []);

  it.each([
    ['shop.example', 'shop.example'],
    ['red.shop.example', '*.shop.example'],
    ['very.red.shop.example', '*.shop.example'],
    ['eu.shop.example', '*.shop.example'],
    ['b.eu.shop.example', '*.eu.shop.example'],
    ['a.eu.shop.example', 'a.eu.shop.example'],
    ['b.a.eu.shop.example', '*.eu.shop.example'],
    ['workshop.example', '*.example'],
    ['example', undefined],
    ['shop.example.org', undefined],
    ['', undefined],
  ])('%s is led by %s (H2)', (host, found) => {
    expect(table.find(host)?.key).toBe(found);
  });

  it('are the oldest route’s that asks for them, whatever the order, and the next one’s when it goes (H1)', () => {
    const moved: string[] = [];
    const one = new HostTable(({ key }) => moved.push(key));
    one.set(plan('young', '2026-01-03'), ['a.example', 'b.example'], []);
    one.set(plan('middle', '2026-01-02'), ['a.example'], []);
    one.set(plan('old', '2026-01-01'), ['a.example'], []);
    expect([one.find('a.example')?.key, one.find('b.example')?.key]).toEqual(['old', 'young']);
    expect(moved).toEqual(['young', 'middle']);
    one.remove('old', ['a.example']);
    expect([one.find('a.example')?.key, moved.at(-1)]).toEqual(['middle', 'middle']);
    one.set(plan('middle', '2026-01-02'), ['c.example'], ['a.example']);
    expect([one.find('a.example')?.key, one.find('c.example')?.key]).toEqual(['young', 'middle']);
    one.remove('young', ['a.example', 'b.example']);
    one.remove('middle', ['c.example']);
    expect(['a', 'b', 'c'].map((name) => one.find(`${name}.example`))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('stay where they are when a route changes, and one that waits no more is forgotten', () => {
    const one = new HostTable(() => undefined);
    one.set(plan('old', '1'), ['a.example'], []);
    one.set(plan('young', '2'), ['a.example'], []);
    one.set(plan('young', '2'), [], ['a.example']);
    const changed = plan('old', '1');
    one.set(changed, ['a.example'], ['a.example']);
    expect(one.find('a.example')).toBe(changed);
    one.remove('old', ['a.example']);
    expect(one.find('a.example')).toBeUndefined();
  });
});
