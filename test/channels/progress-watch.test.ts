import { expect, it } from 'vitest';
import { ProgressWatch, STALLED_AFTER_MS } from '../../src/channels/progress-watch.ts';

const owing = (events: number) => [{ group: 'audit', events }];

it('names a group whose backlog grows for a minute while no attempt ends, until one does', () => {
  const watch = new ProgressWatch();
  expect(watch.stalled(owing(10), 0).size).toBe(0);
  expect(watch.stalled(owing(20), STALLED_AFTER_MS - 1).size).toBe(0);
  expect(watch.stalled(owing(30), STALLED_AFTER_MS).get('audit')).toBe(
    'no attempt has ended for 60 s, while the backlog grew from 10 to 30 events',
  );
  watch.ended('audit');
  expect(watch.stalled(owing(40), STALLED_AFTER_MS + 1).size).toBe(0);
});

it('takes a backlog that stays, or shrinks, for no stall: nothing new has come', () => {
  const watch = new ProgressWatch();
  for (const [atMs, events] of [
    [0, 10],
    [50_000, 10],
    [100_000, 8],
    [150_000, 9],
  ] as const)
    expect(watch.stalled(owing(events), atMs).size).toBe(0);
});
