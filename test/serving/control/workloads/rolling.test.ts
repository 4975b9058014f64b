import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../../../src/apis/apps/deployment.ts';
import {
  boundsOf,
  pausedStep,
  recreateStep,
  rollingStep,
  type SetCount,
} from '../../../../src/serving/control/workloads/rolling.ts';

const deployment = (replicas: number, rollingUpdate: object): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: { replicas, strategy: { type: 'RollingUpdate', rollingUpdate } },
});
const set = (name: string, wanted: number, available = wanted, isNew = name === 'new'): SetCount => ({
  name,
  isNew,
  wanted,
  there: wanted,
  available,
});

describe('the bounds of a roll-out', () => {
  it.each([
    [10, { maxSurge: '25%', maxUnavailable: '25%' }, { maxTotal: 13, minAvailable: 8 }],
    [1, { maxSurge: '25%', maxUnavailable: '25%' }, { maxTotal: 2, minAvailable: 1 }],
    [4, { maxSurge: 0, maxUnavailable: 1 }, { maxTotal: 4, minAvailable: 3 }],
    [4, { maxSurge: 2, maxUnavailable: 0 }, { maxTotal: 6, minAvailable: 4 }],
    [2, { maxSurge: 0, maxUnavailable: '25%' }, { maxTotal: 2, minAvailable: 1 }],
    [2, { maxSurge: 0, maxUnavailable: 5 }, { maxTotal: 2, minAvailable: 0 }],
  ])('of %i replicas with %j are %j', (replicas, rollingUpdate, bounds) => {
    expect(boundsOf(deployment(replicas, rollingUpdate))).toEqual(bounds);
  });
});

describe('a roll-out', () => {
  /** Whoever is asked for is there and available one step later, as fast as can be. */
  function run(replicas: number, rollingUpdate: object, sets: readonly SetCount[]): readonly SetCount[][] {
    const bounds = boundsOf(deployment(replicas, rollingUpdate));
    const steps: SetCount[][] = [];
    let now = [...sets];
    for (let i = 0; i < 50; i += 1) {
      const step = rollingStep(now, replicas, bounds);
      now = now.map((each) => {
        const wanted = step.get(each.name) ?? 0;
        return { ...each, wanted, there: wanted, available: Math.min(each.available, wanted) };
      });
      steps.push(now);
      const available = now.reduce((sum, each) => sum + each.available, 0);
      expect(available).toBeGreaterThanOrEqual(bounds.minAvailable);
      expect(now.reduce((sum, each) => sum + each.wanted, 0)).toBeLessThanOrEqual(bounds.maxTotal);
      now = now.map((each) => ({ ...each, available: each.wanted }));
    }
    return steps;
  }

  it.each([
    [1, {}],
    [3, { maxSurge: 1, maxUnavailable: 0 }],
    [3, { maxSurge: 0, maxUnavailable: 1 }],
    [10, { maxSurge: '25%', maxUnavailable: '25%' }],
    [10, { maxSurge: '100%', maxUnavailable: 0 }],
  ])(
    'of %i replicas with %j ends with new ones alone, and never has fewer or more than allowed',
    (replicas, update) => {
      const steps = run(replicas, { maxSurge: '25%', maxUnavailable: '25%', ...update }, [
        set('old', replicas),
        set('new', 0),
      ]);
      expect(steps.at(-1)).toMatchObject([
        { name: 'old', wanted: 0 },
        { name: 'new', wanted: replicas },
      ]);
    },
  );

  it('waits with the former ones while none of the new is available', () => {
    const step = rollingStep([set('old', 3), set('new', 1, 0)], 3, { maxTotal: 4, minAvailable: 3 });
    expect([...step]).toEqual([
      ['old', 3],
      ['new', 1],
    ]);
  });

  it('first takes those of the former that do not work', () => {
    const step = rollingStep([set('broken', 1, 0), set('old', 3), set('new', 0)], 3, {
      maxTotal: 5,
      minAvailable: 3,
    });
    expect(step.get('broken')).toBe(0);
    expect(step.get('old')).toBe(3);
  });

  it('follows a number that goes down, and one that goes up', () => {
    expect(rollingStep([set('new', 5)], 2, { maxTotal: 3, minAvailable: 2 }).get('new')).toBe(2);
    expect(rollingStep([set('new', 2)], 5, { maxTotal: 7, minAvailable: 4 }).get('new')).toBe(5);
    expect(rollingStep([set('new', 2)], 0, { maxTotal: 0, minAvailable: 0 }).get('new')).toBe(0);
  });
});

describe('the other ways', () => {
  it('Recreate has all former ones go before a new one comes', () => {
    expect([...recreateStep([set('old', 2), set('new', 0)], 2)]).toEqual([
      ['old', 0],
      ['new', 0],
    ]);
    const ending = { ...set('old', 0), there: 1 };
    expect(recreateStep([ending, set('new', 0)], 2).get('new')).toBe(0);
    expect(recreateStep([set('old', 0), set('new', 0)], 2).get('new')).toBe(2);
  });

  it('while paused only the number counts, and what runs goes on', () => {
    expect([...pausedStep([set('old', 3), set('new', 0)], 5)]).toEqual(
      expect.arrayContaining([
        ['old', 5],
        ['new', 0],
      ]),
    );
    expect(pausedStep([set('old', 3), set('new', 1)], 2).get('new')).toBe(1);
    expect(pausedStep([set('old', 3), set('new', 1)], 2).get('old')).toBe(1);
  });
});
