import { describe, expect, it } from 'vitest';
import {
  conditionsAfter,
  isFalse,
  isReady,
  isTrue,
  isUnknown,
  type Mark,
} from '../../src/apis/conditions.ts';
import type { Condition } from '../../src/apis/duck.ts';

const SET = { happy: 'Ready', dependents: ['RoutesReady', 'ConfigurationsReady'] } as const;
const NOW = Date.UTC(2030, 0, 1);
const after = (marks: readonly Mark[], before: readonly Condition[] = [], nowMs = NOW): Condition[] =>
  conditionsAfter(SET, before, marks, nowMs);
const brief = (conditions: readonly Condition[]): string[] =>
  conditions.map(({ type, status, reason = '-' }) => `${type} ${status} ${reason}`);

describe('the conditions of an object', () => {
  it('begin Unknown, sorted by type', () => {
    expect(brief(after([]))).toEqual([
      'ConfigurationsReady Unknown -',
      'Ready Unknown -',
      'RoutesReady Unknown -',
    ]);
  });

  it('are Ready once every dependent is True', () => {
    const conditions = after([isTrue('RoutesReady'), isTrue('ConfigurationsReady')]);
    expect(isReady({ status: { conditions } })).toBe(true);
    expect(isReady({ status: { conditions: after([isTrue('RoutesReady')]) } })).toBe(false);
    expect(isReady({})).toBe(false);
  });

  it('are not Ready because of a False before an Unknown, in the words of that False', () => {
    const conditions = after([
      isUnknown('RoutesReady', 'Waiting'),
      isFalse('ConfigurationsReady', 'Broken', 'no image'),
    ]);
    expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Broken',
      message: 'no image',
    });
  });

  it('wait in the words of the Unknown when nothing is False', () => {
    const conditions = after([
      isTrue('ConfigurationsReady'),
      isUnknown('RoutesReady', 'Waiting', 'for an address'),
    ]);
    expect(conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'Unknown',
      reason: 'Waiting',
      message: 'for an address',
    });
  });

  it('keep what an unmarked dependent said before', () => {
    const before = after([isFalse('RoutesReady', 'Broken', 'x')]);
    expect(brief(after([isTrue('ConfigurationsReady')], before))).toEqual([
      'ConfigurationsReady True -',
      'Ready False Broken',
      'RoutesReady False Broken',
    ]);
  });

  it('change a time with the status only', () => {
    const before = after([isUnknown('RoutesReady', 'One'), isTrue('ConfigurationsReady')]);
    const times = after([isUnknown('RoutesReady', 'Two')], before, NOW + 60_000);
    expect(times.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual(
      Array.from({ length: 3 }, () => '2030-01-01T00:00:00Z'),
    );
    const changed = after([isTrue('RoutesReady')], before, NOW + 60_000);
    expect(changed.map(({ type, lastTransitionTime }) => `${type} ${lastTransitionTime}`)).toEqual([
      'ConfigurationsReady 2030-01-01T00:00:00Z',
      'Ready 2030-01-01T00:01:00Z',
      'RoutesReady 2030-01-01T00:01:00Z',
    ]);
  });

  it('that only inform never make it unready', () => {
    const marks = [isTrue('RoutesReady'), isTrue('ConfigurationsReady')];
    const conditions = after([
      ...marks,
      { type: 'Active', status: 'False', severity: 'Info', reason: 'NoTraffic' },
    ]);
    expect(brief(conditions)).toEqual([
      'Active False NoTraffic',
      'ConfigurationsReady True -',
      'Ready True -',
      'RoutesReady True -',
    ]);
  });

  it('carry no empty reason or message', () => {
    expect(Object.keys(after([isTrue('RoutesReady', '', '')]).at(-1) ?? {})).toEqual([
      'type',
      'status',
      'lastTransitionTime',
    ]);
  });
});
