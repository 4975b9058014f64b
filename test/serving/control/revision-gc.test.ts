import { beforeEach, describe, expect, it } from 'vitest';
import { parseGcConfig, type GcConfig } from '../../../src/apis/serving/gc-config.ts';
import { ANNOTATIONS, LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS, type Revision } from '../../../src/apis/serving/types.ts';
import { collectRevisions } from '../../../src/serving/control/revision-gc.ts';
import { aService } from '../../kit/serving-objects.ts';
import { ServingWorld } from '../../kit/serving-world.ts';
import type { World } from '../../kit/world.ts';

const NOW = Date.parse('2030-01-10T00:00:00Z');
const HOUR = 3_600_000;
const at = (hoursAgo: number): string => new Date(NOW - hoursAgo * HOUR).toISOString();

/** A revision that no route leads to, created and left by its last route so many hours ago. */
const idle = (
  name: string,
  createdAgo: number,
  leftAgo: number,
  more: Record<string, string> = {},
): Revision => ({
  ...KINDS.revision,
  metadata: {
    name,
    creationTimestamp: at(createdAgo),
    labels: { [LABELS.routingState]: 'reserve' },
    annotations: { [ANNOTATIONS.routingStateModified]: at(leftAgo), ...more },
  },
  spec: {},
});
const inState = (state: string, revision: Revision): Revision => ({
  ...revision,
  metadata: { ...revision.metadata, labels: { [LABELS.routingState]: state } },
});
const config = (data: Record<string, string> = {}): GcConfig => {
  const parsed = parseGcConfig(data);
  if ('fault' in parsed) throw new Error(parsed.fault);
  return parsed.config;
};
const NONE_KEPT = { 'min-non-active-revisions': '0' };
const OFF = { 'retain-since-create-time': 'disabled', 'retain-since-last-active-time': 'disabled' };

describe('the end of old revisions', () => {
  it.each<[string, Revision[], Record<string, string>, string[]]>([
    ['removes what is old and has long been idle', [idle('a', 49, 16)], NONE_KEPT, ['a']],
    ['keeps what is young', [idle('a', 47, 16)], NONE_KEPT, []],
    ['keeps what was routed to lately', [idle('a', 49, 14)], NONE_KEPT, []],
    [
      'asks for one age alone when the other is disabled',
      [idle('a', 1, 16)],
      { ...NONE_KEPT, 'retain-since-create-time': 'disabled' },
      ['a'],
    ],
    ['removes nothing by age when both are disabled', [idle('a', 1000, 1000)], { ...NONE_KEPT, ...OFF }, []],
    ['never removes what a route leads to', [inState('active', idle('a', 99, 99))], NONE_KEPT, []],
    [
      'never removes what no route’s controller has seen',
      [inState('pending', idle('a', 99, 99))],
      NONE_KEPT,
      [],
    ],
    ['never removes the latest that is ready', [idle('latest', 99, 99)], NONE_KEPT, []],
    ['never removes what says so', [idle('a', 99, 99, { [ANNOTATIONS.noGc]: 'True' })], NONE_KEPT, []],
    ['keeps 20 idle ones by default', Array.from({ length: 20 }, (_, i) => idle(`r${i}`, 99, 99)), {}, []],
    [
      'removes the longest idle first, and leaves the minimum',
      [idle('c', 99, 30), idle('a', 99, 50), idle('b', 99, 40)],
      { 'min-non-active-revisions': '1' },
      ['a', 'b'],
    ],
    [
      'removes the longest idle beyond the maximum, whatever their age',
      [idle('c', 1, 1), idle('a', 3, 3), idle('b', 2, 2)],
      { ...NONE_KEPT, 'max-non-active-revisions': '1' },
      ['a', 'b'],
    ],
    [
      'counts what has gone by age against the maximum',
      [idle('a', 99, 99), idle('b', 2, 2), idle('c', 1, 1)],
      { ...NONE_KEPT, 'max-non-active-revisions': '2' },
      ['a'],
    ],
  ])('%s', (_, revisions, data, removed) => {
    expect(collectRevisions(revisions, 'latest', config(data), NOW).remove).toEqual(removed);
  });

  it('says when the next one will be old enough, if one ever will', () => {
    const due = (data: Record<string, string>): number | undefined =>
      collectRevisions([idle('a', 40, 1), idle('b', 47, 10)], undefined, config(data), NOW).nextMs;
    expect(due(NONE_KEPT)).toBe(NOW + 5 * HOUR); // b: 15 h after its last route
    expect(due({ ...NONE_KEPT, ...OFF })).toBeUndefined();
    expect(due({ 'min-non-active-revisions': '2' })).toBeUndefined();
  });
});

describe('config-gc', () => {
  it.each([
    [{ 'retain-since-create-time': 'long' }, /^failed to parse retain-since-create-time: /],
    [{ 'max-non-active-revisions': 'many' }, /^failed to parse max-non-active-revisions: /],
    [{ 'min-non-active-revisions': '-1' }, /^min-non-active-revisions must be non-negative, was: -1$/],
    [
      { 'min-non-active-revisions': '20', 'max-non-active-revisions': '10' },
      /^min-non-active-revisions\(20\) must be <= max-non-active-revisions\(10\)$/,
    ],
  ])('is refused with %j', async (data, fault) => {
    expect(parseGcConfig(data as Record<string, string>)).toEqual({ fault: expect.stringMatching(fault) });
    const { world } = await ServingWorld.open();
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'config-gc', namespace: 'knative-serving' },
      data,
    };
    expect(await world.refusal(object)).toMatch(/config\.webhook\.serving\.knative\.dev/);
  });
});

describe('a Configuration with old revisions', () => {
  let serving: ServingWorld;
  let world: World;
  beforeEach(async () => {
    serving = await ServingWorld.open();
    world = serving.world;
    for (const timeoutSeconds of [1, 2, 3, 4]) {
      await world.apply(aService({ spec: { timeoutSeconds } }));
      await serving.service();
      await serving.configuration();
      await serving.ready(`hello-0000${timeoutSeconds}`);
      await serving.round();
    }
  });
  const left = async (): Promise<string[]> => {
    const { items } = await world.controller.list(KINDS.revision, 'default');
    return items.map(({ metadata }) => metadata.name);
  };

  it('removes them when their time has come, by config-gc as it is now', async () => {
    await world.configMap('knative-serving', 'config-gc', { 'min-non-active-revisions': '1' });
    expect((await serving.configuration()).next).toEqual({ afterMs: 48 * HOUR });
    expect(await left()).toHaveLength(4);
    world.clock.advance(48 * HOUR);
    await serving.configuration();
    expect(await left()).toEqual(['hello-00003', 'hello-00004']);
    await world.configMap('knative-serving', 'config-gc', NONE_KEPT);
    await serving.configuration();
    expect(await left()).toEqual(['hello-00004']);
  });

  it('removes none by default, for there are few', async () => {
    world.clock.advance(1000 * HOUR);
    expect((await serving.configuration()).next).toBe('settled');
    expect(await left()).toHaveLength(4);
  });
});
