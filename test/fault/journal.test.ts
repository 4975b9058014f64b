import { describe, expect, it } from 'vitest';
import { Journal, seededRandom } from '../kit/journal.ts';

describe('the journal that judges fault tests', () => {
  it('names what was lost, invented and altered, and counts what came again', () => {
    const journal = new Journal();
    for (const id of ['kept', 'lost', 'refused', 'altered', 'twice']) journal.sending(id, `body of ${id}`);
    for (const id of ['kept', 'lost', 'altered', 'twice']) journal.acked(id);
    expect(journal.received('kept', 'body of kept')).toBe(1);
    journal.received('altered', 'body of altered');
    expect(journal.received('altered', 'another body')).toBe(2);
    journal.received('twice', 'body of twice');
    journal.received('twice', 'body of twice');
    journal.received('invented', 'body of invented');
    expect(journal.judge()).toEqual({ lost: ['lost'], invented: ['invented'], altered: ['altered'] });
    expect(journal.counts).toEqual({ sent: 5, acked: 4, received: 4, repeats: 2 });
  });

  it('does not call lost what was never accepted', () => {
    const journal = new Journal();
    journal.sending('refused', 'body');
    expect(journal.judge().lost).toEqual([]);
  });
});

describe('seeded randomness', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const three = (seed: number): number[] => Array.from({ length: 3 }, seededRandom(seed));
    expect(three(7)).toEqual(three(7));
    expect(three(7)).not.toEqual(three(8));
  });
});
