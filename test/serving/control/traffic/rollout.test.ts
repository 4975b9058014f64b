import { describe, expect, it } from 'vitest';
import { parseRollout, rolloutText } from '../../../../src/serving/control/traffic/rollout-text.ts';
import {
  isDone,
  nextStepMs,
  observeReady,
  step,
  type ConfigurationRollout,
  type Rollout,
} from '../../../../src/serving/control/traffic/rollout.ts';

type Shares = readonly (readonly [string, number])[];
const START = Date.parse('2030-01-01T00:00:00Z');

const rolled = (
  percent: number,
  shares: Shares,
  steps: ConfigurationRollout['steps'] = {},
  names: Partial<ConfigurationRollout> = {},
): ConfigurationRollout => ({
  configurationName: 'c',
  tag: '',
  percent,
  revisions: shares.map(([revisionName, share]) => ({ revisionName, percent: share })),
  steps,
  ...names,
});
const goal = (revision: string, percent = 100): Rollout => [rolled(percent, [[revision, percent]])];
const sharesOf = (rollout: Rollout): Shares =>
  rollout.flatMap(({ revisions }) => revisions.map((share) => [share.revisionName, share.percent] as const));

/** All steps from `old` to `new` in `durationMs`, when the network takes `tookMs` to move the first percent. */
function stepsOf(durationMs: number, tookMs: number, percent = 100): { atMs: number; newest: number }[] {
  const start = step(goal('new', percent), goal('old', percent), START);
  let now = START + tookMs;
  let rollout = observeReady(start, now, durationMs);
  const seen = [{ atMs: 0, newest: 1 }];
  for (let due = nextStepMs(rollout); due !== undefined; due = nextStepMs(rollout)) {
    now = due;
    rollout = step(goal('new', percent), rollout, now);
    expect(sharesOf(rollout).reduce((sum, [, share]) => sum + share, 0)).toBe(percent); // R1
    seen.push({ atMs: now - START, newest: sharesOf(rollout).at(-1)?.[1] ?? 0 });
  }
  expect(sharesOf(rollout)).toEqual([['new', percent]]);
  return seen;
}

describe('a gradual roll-out', () => {
  it('begins with one percent, and waits until that has moved', () => {
    const begun = step(goal('new'), goal('old'), START);
    expect(sharesOf(begun)).toEqual([
      ['old', 99],
      ['new', 1],
    ]);
    expect(isDone(begun)).toBe(false);
    expect(nextStepMs(begun)).toBeUndefined();
    expect(step(goal('new'), begun, START + 3_600_000)).toEqual(begun);
  });

  it.each([
    ['one percent at a time where there is time', 120_000, 1000, 100, 99, 1, 119_000 / 99],
    ['larger ones where there is time for few', 11_000, 1000, 100, 10, 10, 1000],
    ['one where the first percent took all the time there is', 10_000, 15_000, 100, 1, 99, 1000],
    ['those for which the network needs its time', 60_000, 10_000, 100, 5, 20, 10_000],
    ['those of its configuration’s share, of whole percents', 31_000, 1000, 40, 39, 1, 1000],
  ])('makes steps: %s', (_, durationMs, tookMs, percent, count, stepPercent, everyMs) => {
    const seen = stepsOf(durationMs, tookMs, percent);
    const expected = Array.from({ length: count }, (__, i) => ({
      atMs: tookMs + (i + 1) * everyMs,
      newest: Math.min(percent, 1 + (i + 1) * stepPercent),
    }));
    expect(seen.map(({ newest }) => newest)).toEqual([1, ...expected.map(({ newest }) => newest)]);
    for (const [i, { atMs }] of expected.entries()) expect(seen[i + 1]?.atMs).toBeCloseTo(atMs, 0);
  });

  it('stacks a newer revision on one that is under way, and drains the newest before it first', () => {
    const before: Rollout = [
      rolled(
        100,
        [
          ['a', 80],
          ['b', 20],
        ],
        { startMs: START, nextStepMs: START + 10, stepEveryMs: 10, stepPercent: 19 },
      ),
    ];
    const begun = step(goal('c'), before, START + 5);
    expect(sharesOf(begun)).toEqual([
      ['a', 80],
      ['b', 19],
      ['c', 1],
    ]);
    expect(begun[0]?.steps).toEqual({ startMs: START + 5 });
    const under = [{ ...begun[0], steps: { nextStepMs: 0, stepEveryMs: 10, stepPercent: 25 } }] as Rollout;
    expect(sharesOf(step(goal('c'), under, START + 10))).toEqual([
      ['a', 74],
      ['c', 26],
    ]);
  });

  it.each<[string, number, Shares]>([
    [
      'more goes to the newest',
      80,
      [
        ['a', 40],
        ['b', 40],
      ],
    ],
    [
      'less is taken from the oldest',
      45,
      [
        ['a', 25],
        ['b', 20],
      ],
    ],
    ['an oldest that has nothing left is gone', 20, [['b', 20]]],
    ['with one percent there is nothing to roll out', 1, [['b', 1]]],
    ['with none it is not named', 0, []],
  ])('follows a share that changes: %s', (_, percent, shares) => {
    const before: Rollout = [
      rolled(60, [
        ['a', 40],
        ['b', 20],
      ]),
    ];
    expect(sharesOf(step(goal('b', percent), before, START))).toEqual(shares);
  });

  it('rolls out each configuration and each tag by itself, and begins new ones at once', () => {
    const of = (tag: string, configurationName: string, revision: string): ConfigurationRollout =>
      rolled(50, [[revision, 50]], {}, { tag, configurationName });
    const next = step(
      [of('', 'c', 'c2'), of('', 'd', 'd1'), of('t', 'c', 'c2'), of('u', 'c', 'c2')],
      [of('', 'c', 'c1'), of('', 'd', 'd1'), of('t', 'c', 'c1')],
      START,
    );
    expect(
      next.map(({ tag, configurationName, revisions }) => [tag, configurationName, revisions.length]),
    ).toEqual([
      ['', 'c', 2],
      ['', 'd', 1],
      ['t', 'c', 2],
      ['u', 'c', 1],
    ]);
  });

  it('is done at once where nothing is known of before', () => {
    expect(step(goal('new'), undefined, START)).toEqual(goal('new'));
    expect(step(goal('new'), [], START)).toEqual(goal('new'));
  });
});

describe('the text of a roll-out', () => {
  it('is upstream’s, and reads back what was written', () => {
    const rollout: Rollout = [
      rolled(
        100,
        [
          ['a', 80],
          ['b', 20],
        ],
        { startMs: START, nextStepMs: START + 1500, stepEveryMs: 1500, stepPercent: 5 },
      ),
      rolled(100, [['b', 100]], {}, { tag: 't' }),
    ];
    const text = rolloutText(rollout);
    expect(text).toBe(
      '{"configurations":[{"configurationName":"c","percent":100,' +
        '"revisions":[{"revisionName":"a","percent":80},{"revisionName":"b","percent":20}],' +
        '"stepParams":{"starttime":1893456000000000000,"nextStepTime":1893456001500000000,' +
        '"stepDuration":1500000000,"stepSize":5}},' +
        '{"configurationName":"c","tag":"t","percent":100,' +
        '"revisions":[{"revisionName":"b","percent":100}],"stepParams":{}}]}',
    );
    expect(parseRollout(text)).toEqual(rollout);
    expect(rolloutText([])).toBe('{}');
    expect(parseRollout('{}')).toEqual([]);
  });

  it.each([
    ['nothing', undefined],
    ['no JSON', '{'],
    ['shares that do not add up', rolloutText([rolled(100, [['a', 80]])])],
    ['a step larger than all', rolloutText([rolled(10, [['a', 10]], { stepPercent: 11 })])],
    ['more than all', rolloutText([rolled(101, [['a', 101]])])],
  ])('is not taken when it is %s', (_, text) => {
    expect(parseRollout(text)).toBeUndefined();
  });
});
