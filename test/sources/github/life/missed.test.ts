import { describe, expect, it } from 'vitest';
import { findMissed, type Known } from '../../../../src/sources/github/life/missed.ts';
import {
  noteOf,
  readNotes,
  shortOf,
  withFetched,
  writeNotes,
  type Notes,
} from '../../../../src/sources/github/life/notes.ts';
import type { Attempted } from '../../../../src/sources/github/rest/hooks.ts';

const NOW = Date.UTC(2030, 0, 10);
const attempt = (name: string, atMs: number, more: Partial<Attempted> = {}): Attempted => ({
  id: `${name}-${atMs}`,
  guid: name,
  event: 'push',
  atMs,
  code: 0,
  isPending: false,
  ...more,
});
const known = (more: Partial<Known> = {}): Known => ({
  fetched: [],
  lookedAtMs: NOW - 1000,
  upToMs: 0,
  ...more,
});

/** The pages newest first, as GitHub lists them; returns what was missed, and how many pages were read. */
async function missed(attempts: readonly Attempted[], from: Known, perPage = 2) {
  let pages = 0;
  const listed = attempts.toSorted((a, b) => b.atMs - a.atMs);
  const found = await findMissed(
    async (cursor) => {
      pages += 1;
      const first = Number(cursor ?? 0);
      const more = first + perPage < listed.length;
      return {
        items: listed.slice(first, first + perPage),
        cursor: more ? String(first + perPage) : undefined,
      };
    },
    from,
    NOW,
  );
  return { ...found, names: found.items.map(({ guid }) => guid), pages };
}

describe('what GitHub could not bring', () => {
  it('is looked for from the last known attempt on, and a minute before it', async () => {
    const upToMs = NOW - 600_000;
    const attempts = [-300_000, -61_000, -59_000, 0, 1000].map((after) =>
      attempt(`${after}`, upToMs + after),
    );
    const found = await missed(attempts, known({ upToMs, fetched: [shortOf('0')] }));
    expect(found.names).toEqual(['-59000', '1000']);
    expect(found).toMatchObject({ upToMs: upToMs + 1000, isMore: false, lost: undefined });
  });

  it('is of one delivery what happened first, whichever attempts failed', async () => {
    const all = [
      attempt('a', 1),
      attempt('b', 2),
      attempt('a', 3),
      attempt('b', 4, { code: 202 }),
      attempt('c', 5),
    ];
    expect((await missed(all, known())).items.map(({ id }) => id)).toEqual(['a-1', 'c-5']);
  });

  it('does not move past an attempt that has no end yet, unless it never ends', async () => {
    const all = [
      attempt('stuck', NOW - 130_000, { isPending: true }),
      attempt('pending', NOW - 5000, { isPending: true }),
      attempt('late', NOW - 4000),
    ];
    const found = await missed(all, known());
    expect(found.names).toEqual(['stuck', 'late']);
    expect(found).toMatchObject({ upToMs: NOW - 5001, isMore: true });
  });

  it('is taken in parts when it is much, the oldest first', async () => {
    const all = Array.from({ length: 5003 }, (_, i) => attempt(`n${i}`, i + 1));
    const found = await missed(all, known(), 100);
    expect(found.names).toHaveLength(5000);
    expect([found.names[0], found.names.at(-1)]).toEqual(['n0', 'n4999']);
    expect(found).toMatchObject({ isMore: true, upToMs: 5000 });
  });

  it('ends with a list that leads to itself, or has no end', async () => {
    const page = { items: [attempt('a', 1)], cursor: 'again' };
    expect((await findMissed(async () => page, known(), NOW)).items).toHaveLength(1);
    let n = 0;
    const endless = async () => ({ items: [attempt('a', 1)], cursor: String((n += 1)) });
    await findMissed(endless, known(), NOW);
    expect(n).toBe(5000);
  });

  const DAY = 24 * 3_600_000;
  it.each([
    ['nothing while GitHub keeps all since the last look', 2, [], undefined],
    ['what is before that, when nothing older is listed', 5, [1], [5, 3]],
    ['nothing when the list goes back to the last look', 5, [1, 5.5], undefined],
    ['what is before the list, when GitHub keeps more than it says', 9, [1, 4], [9, 4]],
  ])('is lost: %s', async (_, lookedDaysAgo, listed, lost) => {
    const attempts = listed.map((days) => attempt(`${days}`, NOW - days * DAY));
    const from = known({ lookedAtMs: NOW - lookedDaysAgo * DAY });
    const [fromDays, toDays] = lost ?? [];
    expect((await missed(attempts, from)).lost).toEqual(
      fromDays === undefined || toDays === undefined
        ? undefined
        : { fromMs: NOW - fromDays * DAY, toMs: NOW - toDays * DAY },
    );
  });
});

describe('the notes of a webhook', () => {
  const NOTES: Notes = {
    apiUrl: 'https://api.github.com',
    target: 'a/b',
    hookId: '9007199254740993',
    set: noteOf('asked', 'got', 'the secret', NOW),
    lookedAtMs: NOW,
    upToMs: NOW,
    fetched: [],
    lost: undefined,
  };

  it('hold no secret, and fit a bookmark however much was fetched', () => {
    let notes = NOTES;
    for (let i = 0; i < 3000; i += 1) notes = withFetched(notes, `guid-${i}`);
    const text = writeNotes(notes);
    expect(text.length).toBeLessThan(60_000);
    expect(text).not.toContain('the secret');
    expect(readNotes(text)).toEqual(JSON.parse(JSON.stringify(notes)));
    expect(readNotes(text)?.fetched.at(-1)).toBe(shortOf('guid-2999'));
  });

  it.each([undefined, '', 'garbage', '{"version":99,"hookId":"1"}', 'null'])('are none in %j', (text) => {
    expect(readNotes(text)).toBeUndefined();
  });

  it('of equal secrets look different', () => {
    expect(noteOf('a', 'b', 'same', NOW)).not.toEqual(noteOf('a', 'b', 'same', NOW));
  });
});
