import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderWith } from '../../kit/folders.ts';
import { FUNCTION, openProcessServing, WITNESS, type ProcessServing } from '../../kit/process-serving.ts';

const ROLL_OUTS = 200;
const CLIENTS = 6;
const directory = folderWith('witness', WITNESS);

let serving: ProcessServing;
beforeAll(async () => {
  serving = await openProcessServing({ warm: 4 });
});
afterAll(() => serving.close());

type Load = {
  readonly failed: readonly string[];
  readonly answered: number;
  readonly revisions: ReadonlySet<string>;
};

/** Asks without a break until `over`, from as many clients as there are, some of them slowly. */
async function load(service: string, over: AbortSignal): Promise<Load> {
  const failed: string[] = [];
  const revisions = new Set<string>();
  let answered = 0;
  const client = async (slowness: number): Promise<void> => {
    while (!over.aborted) {
      const { code, text } = await serving.ask(service, `/?ms=${slowness}`).catch((error: unknown) => ({
        code: 0,
        text: String(error),
      }));
      if (code !== 200 || text.includes('"wasIll":true')) failed.push(`${code} ${text}`);
      else revisions.add((JSON.parse(text) as { revision: string }).revision);
      answered += 1;
      await pause(1);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, at) => client(at * 12)));
  return { failed, answered, revisions };
}

describe('roll-outs under load', { timeout: 180_000 }, () => {
  it(`${ROLL_OUTS} in a row lose no request, whether the next revision is up by then or not`, async () => {
    const { revision, route, counts, serving: data } = serving;
    const name = (generation: number): string => `web-${String(generation).padStart(5, '0')}`;
    const make = (generation: number): void =>
      revision(name(generation), directory, FUNCTION, {
        plan: { containerConcurrency: generation % 3, timeoutMs: 30_000 },
        scale: { initialScale: 1, maxScale: 1 },
      });
    make(0);
    route('web', name(0));
    const over = new AbortController();
    const told = load('web', over.signal);
    for (let next = 1; next <= ROLL_OUTS; next += 1) {
      make(next);
      // One in five goes over before anything of it runs: requests are held, or move on with the next.
      if (next % 5 !== 0)
        await expect.poll(() => counts(name(next)).ready, { timeout: 10_000, interval: 3 }).toBe(1);
      route('web', name(next));
      const removed = data.removeRevision(`demo/${name(next - 1)}`);
      if (next % 10 === 0) await removed;
    }
    over.abort();
    const { failed, answered, revisions } = await told;
    expect(failed).toEqual([]);
    expect(answered).toBeGreaterThan(ROLL_OUTS * 2);
    expect(revisions.size).toBeGreaterThan(ROLL_OUTS / 4);
    await expect.poll(() => data.snapshot(), { timeout: 5000 }).toHaveLength(1);
  });

  it('a request that waits for a revision that goes is answered by the one that takes over', async () => {
    const { revision, route, counts, serving: data } = serving;
    revision('slow-00001', directory, { kind: 'program', command: ['sleep', '30'] });
    route('slow', 'slow-00001');
    const waiting = [1, 2, 3].map(() => serving.witness('slow'));
    await expect.poll(() => counts('slow-00001').waiting).toBe(3);
    revision('slow-00002', directory, FUNCTION);
    route('slow', 'slow-00002');
    await data.removeRevision('demo/slow-00001');
    expect((await Promise.all(waiting)).map(({ revision: by }) => by)).toEqual(
      Array.from({ length: 3 }, () => 'slow-00002'),
    );
  });

  it('one that waits for a revision that nothing takes over from is told that it is gone', async () => {
    const { revision, route, counts, serving: data } = serving;
    revision('last-00001', directory, { kind: 'program', command: ['sleep', '30'] });
    route('last', 'last-00001');
    const waiting = serving.ask('last');
    await expect.poll(() => counts('last-00001').waiting).toBe(1);
    await data.removeRevision('demo/last-00001');
    expect(await waiting).toMatchObject({ code: 404, text: 'revision demo/last-00001 is gone\n' });
  });
});
