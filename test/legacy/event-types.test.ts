import { beforeEach, describe, expect, it } from 'vitest';
import { EVENT_SOURCE } from '../../src/apis/legacy/feeds/event-source.ts';
import { EVENT_TYPE } from '../../src/apis/legacy/feeds/event-type.ts';
import { FEED } from '../../src/apis/legacy/feeds/feed.ts';
import { eventSourceReconciler, eventTypeReconciler } from '../../src/legacy/event-type-reconciler.ts';
import { anObject, GITHUB_TRIGGER } from '../kit/legacy-objects.ts';
import { conditionIn, World } from '../kit/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
const passType = () => world.pass(eventTypeReconciler(world.controller, EVENT_TYPE), 'pullrequest');
const use = (name: string) =>
  world.apply(anObject(FEED, name, { action: { dnsName: 'x' }, trigger: GITHUB_TRIGGER }));

describe('an EventType', () => {
  it('of a source that needs no object is complete, and tells which Feeds use it', async () => {
    await world.apply(anObject(EVENT_TYPE, 'pullrequest', { eventSource: 'github' }));
    await passType();
    const unused = await world.get(EVENT_TYPE, 'pullrequest');
    expect(conditionIn(unused, 'Complete')).toEqual({ status: 'True' });
    expect(conditionIn(unused, 'InUse')).toEqual({ status: 'False', severity: 'Info' });
    await use('gh');
    await use('gh-too');
    await passType();
    expect(conditionIn(await world.get(EVENT_TYPE, 'pullrequest'), 'InUse')).toEqual({
      status: 'True',
      severity: 'Info',
      message: 'In use by the Feeds: gh, gh-too',
    });
  });

  it('stays while a Feed uses it, says which, and goes after the last of them', async () => {
    const type = await world.apply(anObject(EVENT_TYPE, 'pullrequest', { eventSource: 'github' }));
    await use('gh');
    const reconciler = eventTypeReconciler(world.controller, EVENT_TYPE);
    await expect(reconciler.finalize?.(type)).rejects.toThrow('Still in use by the Feeds: gh');
    await world.admin.remove(FEED, 'default', 'gh');
    expect(await reconciler.finalize?.(type)).toEqual([]);
  });

  it.each([
    ['that is not there', undefined, 'EventSourceDoesNotExist'],
    ['whose program would have to run', { image: 'acme/feedlet' }, 'FeedletsNotRun'],
  ])('of a source %s is not complete', async (_, spec, reason) => {
    await world.apply(anObject(EVENT_TYPE, 'pullrequest', { eventSource: 'acme' }));
    if (spec !== undefined) await world.apply(anObject(EVENT_SOURCE, 'acme', spec));
    await passType();
    expect(conditionIn(await world.get(EVENT_TYPE, 'pullrequest'), 'Complete')).toMatchObject({
      status: 'False',
      reason,
    });
  });
});

describe('an EventSource', () => {
  it.each([
    ['github', {}, 'True'],
    ['our-git', { source: 'github' }, 'True'],
    ['our-git', { type: 'github' }, 'True'],
    ['acme', { source: 'acme', image: 'acme/feedlet' }, 'False'],
  ])('called %s with %j is complete: %s', async (name, spec, status) => {
    await world.apply(anObject(EVENT_SOURCE, name, spec));
    await world.pass(eventSourceReconciler(EVENT_SOURCE), name);
    expect(conditionIn(await world.get(EVENT_SOURCE, name), 'Complete')?.status).toBe(status);
  });
});
