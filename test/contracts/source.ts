import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import type { Bookmark, RunningSource, SourceState, SourceTools } from '../../src/sources/source.ts';
import type { CloudEvent } from '../../src/events/event.ts';

/** How the suite meets a source: each test has an origin of its own. */
export type Origin = {
  /** Something happens there; it is to become one event, which `nameOf` calls by this name. */
  readonly produce: (name: string) => Promise<void>;
  readonly nameOf: (event: CloudEvent) => string;
  readonly open: (tools: Omit<SourceTools, 'reader'>) => RunningSource;
  /** Cuts it off, and brings it back. */
  readonly goAway: () => Promise<void>;
  readonly comeBack: () => Promise<void>;
  /** What it cannot give again after the source was closed is not asked for. */
  readonly keepsWhileClosed: boolean;
  readonly release: () => Promise<void>;
};

export class MemoryBookmark implements Bookmark {
  text: string | undefined;
  writes = 0;
  read = async (): Promise<string | undefined> => this.text;
  write = async (text: string): Promise<void> => {
    this.text = text;
    this.writes += 1;
  };
}

/** For sources that watch none. */
export const noCluster: SourceTools['clusterAt'] = () =>
  Promise.reject(new Error('this source watches no cluster'));

const WAIT = { timeout: 20_000, interval: 20 };

/** The promises A1 to A5 of src/sources/source.ts, for any source on its real origin. */
export function sourceContract(name: string, makeOrigin: () => Promise<Origin>): void {
  describe(`${name} keeps the source contract`, { timeout: 60_000 }, () => {
    let origin: Origin;
    let bookmark: MemoryBookmark;
    let delivered: string[];
    let states: SourceState[];
    let take: SourceTools['deliver'];
    const opened: RunningSource[] = [];

    beforeEach(async () => {
      origin = await makeOrigin();
      bookmark = new MemoryBookmark();
      delivered = [];
      states = [];
      take = async () => 'taken';
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((source) => source.close()));
      await origin.release();
    });

    function open(): RunningSource {
      const source = origin.open({
        clock: systemClock,
        random: () => 0.5,
        bookmark,
        clusterAt: noCluster,
        tell: (state) => states.push(state),
        warn: () => undefined,
        deliver: async (event, signal) => {
          const outcome = await take(event, signal);
          delivered.push(origin.nameOf(event));
          return outcome;
        },
      });
      opened.push(source);
      return source;
    }
    const isRunning = (): string | undefined => states.at(-1)?.kind;
    const running = (): Promise<void> => expect.poll(isRunning, WAIT).toBe('running');

    it('A1 delivers what happens, each once', async () => {
      open();
      await running();
      await origin.produce('one');
      await origin.produce('two');
      await expect.poll(() => delivered.toSorted(), WAIT).toEqual(['one', 'two']);
    });

    it('A2 gives again what the sink had not taken when it was closed', async () => {
      const gate = Promise.withResolvers<'taken'>();
      let isAsked = false;
      take = (_, signal) => {
        isAsked = true;
        signal.addEventListener('abort', () => gate.reject(signal.reason));
        return gate.promise;
      };
      const first = open();
      await running();
      await origin.produce('owed');
      await expect.poll(() => isAsked, WAIT).toBe(true);
      const closing = first.close();
      gate.reject(new DOMException('stopped', 'AbortError'));
      await closing;
      expect(delivered).toEqual([]);
      if (!origin.keepsWhileClosed) return;
      take = async () => 'taken';
      open();
      await expect.poll(() => delivered, WAIT).toEqual(['owed']);
    });

    it('A3 goes on after what was taken, with what happened while it was closed', async () => {
      const first = open();
      await running();
      await origin.produce('before');
      await expect.poll(() => delivered, WAIT).toEqual(['before']);
      await first.close();
      await first.close();
      if (origin.keepsWhileClosed) await origin.produce('meanwhile');
      states = [];
      open();
      await running();
      await origin.produce('after');
      const later = origin.keepsWhileClosed ? ['meanwhile', 'after'] : ['after'];
      await expect.poll(() => delivered.toSorted(), WAIT).toEqual(['before', ...later].toSorted());
    });

    it('A4 says that its origin is away, in words, and goes on when it is back', async () => {
      open();
      await running();
      await origin.goAway();
      await expect
        .poll(() => states.at(-1), WAIT)
        .toMatchObject({
          kind: 'failing',
          message: expect.stringMatching(/\w+ \w+/),
        });
      await origin.comeBack();
      await expect.poll(isRunning, WAIT).toBe('running');
      await origin.produce('back');
      await expect.poll(() => delivered, WAIT).toContain('back');
    });

    it('A4 goes on behind an event that the sink will never take', async () => {
      take = async (event) => (origin.nameOf(event) === 'bad' ? 'refused' : 'taken');
      open();
      await running();
      await origin.produce('bad');
      await origin.produce('good');
      await expect.poll(() => delivered.toSorted(), WAIT).toEqual(['bad', 'good']);
    });
  });
}
