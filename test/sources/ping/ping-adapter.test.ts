import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PING_SOURCE, type PingSource } from '../../../src/apis/sources/ping-source/schema.ts';
import { PlatformError } from '../../../src/base/errors.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import { pingAdapter } from '../../../src/sources/ping/ping-adapter.ts';
import { planPingSource, type PingPlan } from '../../../src/sources/ping/plan.ts';
import type { RunningSource, SourceState } from '../../../src/sources/source.ts';
import { MemoryBookmark, noCluster, sourceContract } from '../../contracts/source.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const NOON = Date.UTC(2026, 0, 1, 12);
const SECOND = 1000;
const MINUTE = 60_000;

function planOf(spec: Partial<PingSource['spec']>): PingPlan {
  const metadata = { name: 'clock', namespace: 'demo', uid: 'u-1' };
  const sink = { uri: 'http://sink.example/' };
  const planned = planPingSource({
    ...PING_SOURCE,
    metadata,
    spec: { schedule: '* * * * *', timezone: 'UTC', sink, ...spec },
  });
  if (planned.kind === 'missing') throw new Error(planned.mark.message);
  return planned.plan;
}

/** A clock whose every second is a tick; what it depends on beside itself, and can lose, is the disk of its bookmark. */
sourceContract('PingSource', async () => {
  const clock = new FakeClock(NOON + 600);
  const names = new Map<string, string>();
  let isAway = false;
  const pass = async (name = 'another tick'): Promise<void> => {
    const second = Math.floor(clock.nowMs() / SECOND) + 1;
    names.set(`u-1.${second}`, name);
    clock.advance(SECOND);
    await settledDown();
  };
  return {
    produce: pass,
    nameOf: (event) => names.get(event.attributes.get('id') ?? '') ?? 'a tick of another time',
    open: (tools) => {
      const write = async (text: string): Promise<void> => {
        if (isAway) throw new Error('no space left on device');
        await tools.bookmark.write(text);
      };
      const bookmark = { read: () => tools.bookmark.read(), write };
      const reader = undefined as never; // a clock needs none
      return pingAdapter.open(planOf({ schedule: '* * * * * *' }), { ...tools, clock, bookmark, reader });
    },
    goAway: async () => {
      isAway = true;
      await pass();
    },
    comeBack: async () => {
      isAway = false;
      await pass();
    },
    keepsWhileClosed: true,
    release: async () => undefined,
  };
});

/** Lets what has been woken run. */
async function settledDown(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a running PingSource', () => {
  let clock: FakeClock;
  let bookmark: MemoryBookmark;
  let delivered: CloudEvent[];
  let states: SourceState[];
  let warnings: string[];
  let isSinkAway: boolean;
  const opened: RunningSource[] = [];

  beforeEach(() => {
    clock = new FakeClock(NOON);
    bookmark = new MemoryBookmark();
    [delivered, states, warnings, isSinkAway] = [[], [], [], false];
  });
  afterEach(() => Promise.all(opened.splice(0).map((source) => source.close())));

  async function open(spec: Partial<PingSource['spec']> = {}): Promise<RunningSource> {
    const source = pingAdapter.open(planOf(spec), {
      clock,
      random: () => 0.5,
      bookmark,
      reader: undefined as never,
      clusterAt: noCluster,
      tell: (state) => states.push(state),
      warn: (reason, message) => warnings.push(`${reason}: ${message}`),
      async deliver(event, signal) {
        while (isSinkAway) await clock.until(clock.nowMs() + 100, signal).then(() => signal.throwIfAborted());
        delivered.push(event);
        return 'taken';
      },
    });
    opened.push(source);
    await settledDown();
    return source;
  }
  async function pass(ms: number, stepMs = ms): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      clock.advance(stepMs);
      await settledDown();
    }
  }
  const times = (): (string | undefined)[] =>
    delivered.map(({ attributes }) => attributes.get('time')?.slice(11, 19));

  it('makes upstream’s event of a tick, after a jitter of at most half a second', async () => {
    await open({ data: '{"msg":"hi"}', contentType: 'application/json' });
    await pass(MINUTE);
    expect(delivered).toEqual([]);
    await pass(250);
    const [event] = delivered;
    expect(Object.fromEntries(event?.attributes ?? [])).toEqual({
      specversion: '1.0',
      id: `u-1.${(NOON + MINUTE) / SECOND}`,
      source: '/apis/v1/namespaces/demo/pingsources/clock',
      type: 'dev.knative.sources.ping',
      time: '2026-01-01T12:01:00Z',
    });
    expect(event?.contentType).toBe('application/json');
    expect(Buffer.from(event?.body ?? []).toString()).toBe('{"msg":"hi"}');
    expect(states).toEqual([{ kind: 'running' }]);
  });

  it('sends the bytes that dataBase64 stands for, and no body without data', async () => {
    await open({ dataBase64: '/+8=', contentType: 'application/octet-stream' });
    await open({ contentType: 'text/plain' });
    await pass(MINUTE + 500);
    const bodies = delivered.map(({ body, contentType }) => [Buffer.from(body).toString('hex'), contentType]);
    expect(bodies).toEqual([
      ['ffef', 'application/octet-stream'],
      ['', undefined],
    ]);
  });

  it('T1 T2 keeps ticks in order for a sink that is away, over a restart too, with the same ids', async () => {
    isSinkAway = true;
    const first = await open();
    await pass(3 * MINUTE + 500, 500);
    expect(delivered).toEqual([]);
    await first.close();
    isSinkAway = false;
    await open();
    expect(times()).toEqual(['12:01:00', '12:02:00', '12:03:00']);
    expect(warnings).toEqual([]);
    expect(bookmark.text).toContain('"owed":[]');
  });

  it('T3 gives up the oldest ticks when a hundred wait, and says which, once the sink is back', async () => {
    isSinkAway = true;
    await open({ schedule: '* * * * * *' });
    await pass(103 * SECOND + 500, 500);
    expect(warnings).toEqual([]);
    isSinkAway = false;
    await pass(500);
    expect(warnings).toEqual([
      'TicksMissed: 3 ticks, from 2026-01-01T12:00:02Z to 2026-01-01T12:00:04Z, came due while 100 waited for the sink; what was missed is not made up for',
    ]);
    expect(times().slice(0, 2)).toEqual(['12:00:01', '12:00:05']);
  });

  it('T3 counts what it missed while it did not run, and delivers only what is less than a minute late', async () => {
    const first = await open();
    await pass(MINUTE + 500);
    await first.close();
    clock.advance(10 * MINUTE);
    await open();
    expect(times()).toEqual(['12:01:00', '12:11:00']);
    expect(warnings).toEqual([
      'TicksMissed: 9 ticks, from 2026-01-01T12:02:00Z to 2026-01-01T12:10:00Z, came due while this source could not run; what was missed is not made up for',
    ]);
    await open();
    expect(warnings).toHaveLength(1);
  });

  it('T3 does so after a sleep of the machine as well', async () => {
    await open({ schedule: '0 * * * *' });
    clock.advance(3 * 3_600_000 + 30 * MINUTE);
    await settledDown();
    expect(delivered).toEqual([]);
    expect(warnings).toEqual([
      expect.stringContaining('3 ticks, from 2026-01-01T13:00:00Z to 2026-01-01T15:00:00Z'),
    ]);
    await pass(31 * MINUTE);
    expect(times()).toEqual(['16:00:00']);
  });

  it('makes no tick twice when the clock is set back by an hour', async () => {
    await open({ schedule: '0,30 * * * *' });
    await pass(31 * MINUTE);
    clock.advance(-3_600_000);
    await pass(3_600_000, 10 * MINUTE);
    expect(times()).toEqual(['12:30:00']);
    await pass(30 * MINUTE, 10 * MINUTE);
    expect(times()).toEqual(['12:30:00', '13:00:00']);
  });

  it('T4 holds one timer while nothing is due, and writes nothing', async () => {
    await open({ schedule: '@yearly' });
    const { writes } = bookmark;
    expect(clock.sleepers).toBe(1);
    await pass(24 * 3_600_000, 3_600_000);
    expect(clock.sleepers).toBe(1);
    expect(bookmark.writes).toBe(writes);
  });

  it('begins anew, and says so, when what it had noted cannot be read', async () => {
    bookmark.text = '{"seenMs":';
    await open();
    expect(warnings).toEqual([expect.stringMatching(/^ProgressLost: .* begins anew/)]);
    await pass(MINUTE + 500);
    expect(times()).toEqual(['12:01:00']);
  });

  it('waits for a disk that cannot be read, and says so', async () => {
    let isReadable = false;
    const { read } = bookmark;
    bookmark.read = async () => {
      if (!isReadable) throw new PlatformError('EIO', 'input/output error', { retryable: true });
      return read();
    };
    await open();
    expect(states.at(-1)).toEqual({
      kind: 'failing',
      condition: 'Deployed',
      reason: 'ProgressNotKept',
      message: 'how far it has come could not be read: input/output error',
    });
    isReadable = true;
    await pass(SECOND);
    expect(states.at(-1)).toEqual({ kind: 'running' });
  });

  it('is not run for a day that no calendar has', () => {
    const metadata = { name: 'clock', namespace: 'demo', uid: 'u-1' };
    const planned = planPingSource({ ...PING_SOURCE, metadata, spec: { schedule: '0 0 31 2 *' } });
    expect(planned).toMatchObject({
      kind: 'missing',
      mark: { type: 'Deployed', reason: 'ScheduleNeverComesTrue' },
    });
  });
});
