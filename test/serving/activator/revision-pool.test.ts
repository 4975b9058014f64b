import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/base/errors.ts';
import { onSignal } from '../../../src/telemetry/signals.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { openSmallServing, WEB, type SmallServing } from '../../kit/small-serving.ts';

let small: SmallServing;
let held: (() => void)[] = [];
afterEach(async () => {
  for (const release of held) release();
  held = [];
  await small.close();
});

/** Answers at once, or when the test lets go of what asks for /hold. */
async function open(clock?: FakeClock): Promise<SmallServing> {
  small = await openSmallServing((request, response) => {
    if (request.url === '/hold') held.push(() => response.end('held'));
    else if (request.url === '/die') small.runtime.started.at(-1)?.crash();
    else setTimeout(() => response.end('ok'), 2);
  }, clock);
  return small;
}

/** Moves the clock second by second, so that every tick sees its own second. */
async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    clock.advance(1000);
    for (let turns = 0; turns < 5; turns += 1) await turn();
  }
}

const failure = (): PlatformError =>
  new PlatformError('ExitCode1', 'exited with code 1; it printed last:\nno config', { retryable: true });

describe('requests at a revision at zero', () => {
  it('are all answered, 200 at once, one at a time at an instance, by at most maxScale instances', async () => {
    const { web, ask, runtime } = await open();
    web({ containerConcurrency: 1 }, { maxScale: 5, target: 0.7 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask()));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([200]));
    expect(runtime.started.map(({ most }) => most())).toEqual([1, 1, 1, 1, 1]);
  });

  it('start as many instances as they need, though only some start at a time', async () => {
    const { web, ask, runtime } = await open();
    web({ containerConcurrency: 1 });
    const answers = Array.from({ length: 20 }, () => ask('/hold'));
    await expect.poll(() => held, { timeout: 3000 }).toHaveLength(20);
    expect(runtime.started).toHaveLength(20);
    for (const release of held) release();
    await Promise.all(answers);
  });

  it('are held until their own time is over, and then answered 504', async () => {
    const { web, ask, runtime, counts } = await open();
    const letStart = runtime.hold();
    web({ timeoutMs: 80 });
    expect(await ask()).toMatchObject({ code: 504, text: 'activator request timeout\n' });
    expect(counts()).toMatchObject({ waiting: 0, inFlight: 0 });
    letStart();
  });

  it('are refused beyond 10 000 at one revision, and those that wait are still answered', async () => {
    const { web, serving, runtime, ask } = await open();
    const letStart = runtime.hold();
    web({ containerConcurrency: 1 }, { maxScale: 1 });
    const pool = serving.poolOf(WEB);
    const gone = new AbortController();
    const waiting = Array.from({ length: 9_999 }, async () => pool?.acquire(gone.signal).catch(() => 'gone'));
    const last = ask();
    await expect.poll(() => serving.countsOf(WEB).waiting).toBe(10_000);
    expect(await ask()).toMatchObject({ code: 503, text: 'pending request queue full\n' });
    gone.abort();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['gone']));
    letStart();
    expect((await last).code).toBe(200);
  });
});

describe('scaling down', () => {
  it('takes the last instance when the window ends, and not before', async () => {
    const clock = new FakeClock();
    const { web, ask, counts, runtime } = await open(clock);
    web({}, { windowMs: 60_000 });
    expect((await ask()).code).toBe(200);
    await pass(clock, 59);
    expect(counts()).toMatchObject({ ready: 1 });
    await pass(clock, 3);
    expect(counts()).toMatchObject({ ready: 0, desired: 0 });
    expect(runtime.started[0]?.busyAtStop()).toBe(0);
  });

  it('keeps the last instance for scale-to-zero-pod-retention-period beyond the window', async () => {
    const clock = new FakeClock();
    const { web, ask, counts } = await open(clock);
    web({}, { windowMs: 10_000, retentionMs: 20_000 });
    await ask();
    await pass(clock, 29);
    expect(counts().ready).toBe(1);
    await pass(clock, 4);
    expect(counts().ready).toBe(0);
  });

  it('never takes an instance with a request in flight, however long ago that began', async () => {
    const clock = new FakeClock();
    const { web, ask, counts, runtime } = await open(clock);
    web({}, { windowMs: 6000 });
    const long = ask('/hold');
    await expect.poll(() => held).toHaveLength(1);
    await pass(clock, 40);
    expect(counts().ready).toBe(1);
    for (const release of held) release();
    expect((await long).code).toBe(200);
    await pass(clock, 9);
    expect(runtime.started[0]?.busyAtStop()).toBe(0);
  });

  it('loses no request while instances come and go', async () => {
    const clock = new FakeClock();
    const { web, ask, runtime } = await open(clock);
    web({ containerConcurrency: 2 }, { windowMs: 6000, target: 1.4, panicWindowMs: 1000 });
    for (const burst of [40, 2, 0, 30, 1, 0, 0, 25]) {
      const answers = Array.from({ length: burst }, () => ask());
      await pass(clock, 6);
      expect((await Promise.all(answers)).filter(({ code }) => code !== 200)).toEqual([]);
    }
    expect(runtime.started.filter(({ busyAtStop }) => (busyAtStop() ?? 0) > 0)).toEqual([]);
    expect(Math.max(...runtime.started.map(({ most }) => most()))).toBeLessThanOrEqual(2);
  });

  it('does no work and holds no timer for a revision at zero', async () => {
    const clock = new FakeClock();
    const { web, ask, counts } = await open(clock);
    web({}, { windowMs: 6000 });
    await ask();
    expect(clock.sleepers).toBe(1);
    await pass(clock, 10);
    expect(counts().ready).toBe(0);
    expect(clock.sleepers).toBe(0);
  });
});

describe('scale without requests', () => {
  it('starts initialScale once: the same plan again wakes nothing', async () => {
    const clock = new FakeClock();
    const { web, counts, runtime } = await open(clock);
    const scale = { initialScale: 2, windowMs: 6000 };
    web({}, scale);
    await expect.poll(() => counts().ready).toBe(2);
    await pass(clock, 14);
    expect(counts().ready).toBe(0);
    web({}, scale);
    await pass(clock, 4);
    expect(runtime.starts).toBe(2);
  });

  it('keeps minScale up: an instance that ends is replaced, one that cannot start is tried again', async () => {
    const clock = new FakeClock();
    const { web, counts, runtime } = await open(clock);
    runtime.failures.push(failure(), failure());
    web({}, { minScale: 1 });
    await pass(clock, 8);
    expect(counts().ready).toBe(1);
    expect(runtime.starts).toBe(3);
    runtime.started[0]?.crash();
    await expect.poll(() => counts().ready).toBe(0);
    await pass(clock, 3); // the third failure in a row
    await expect.poll(() => runtime.started).toHaveLength(2);
  });

  it('leaves a growing pause between starts of an instance that keeps crashing', async () => {
    const clock = new FakeClock();
    const { web, counts, runtime } = await open(clock);
    web({}, { minScale: 1 });
    await expect.poll(() => counts().ready).toBe(1);
    for (let second = 0; second < 30; second += 1) {
      runtime.started.at(-1)?.crash();
      await pass(clock, 1);
    }
    expect(runtime.starts).toBeGreaterThan(4);
    expect(runtime.starts).toBeLessThan(9); // at 0, 0, 1, 3, 7, 15 and 31 s
  });

  it('stops trying to reach initialScale at the progress deadline', async () => {
    const clock = new FakeClock();
    const { web, runtime } = await open(clock);
    runtime.failures.push(...Array.from({ length: 100 }, failure));
    web({}, { initialScale: 1, progressDeadlineMs: 20_000 });
    await pass(clock, 30);
    const tried = runtime.starts;
    expect(tried).toBeGreaterThan(2);
    await pass(clock, 60);
    expect(runtime.starts).toBe(tried);
    expect(clock.sleepers).toBe(0);
  });
});

describe('what goes wrong', () => {
  it('a start that fails answers those who wait with 503, the reason and when to come again', async () => {
    const clock = new FakeClock();
    const { web, ask, runtime, events, counts } = await open(clock);
    runtime.failures.push(failure(), failure());
    web();
    const letStart = runtime.hold();
    const asked = [ask(), ask(), ask()];
    await expect.poll(() => counts().waiting).toBe(3);
    letStart();
    const answers = await Promise.all(asked);
    for (const { code, text } of answers) {
      expect(code).toBe(503);
      expect(text).toContain('revision demo/web-00001 cannot start: exited with code 1');
    }
    expect(events.filter(({ kind }) => kind === 'failed')).toMatchObject([{ code: 'ExitCode1' }]);
    expect((await ask()).code).toBe(503); // the second failure
    const paused = await ask();
    expect(paused).toMatchObject({ code: 503, headers: { 'retry-after': '1' } });
    expect(runtime.starts).toBe(2);
    await pass(clock, 1);
    expect((await ask()).code).toBe(200);
  });

  it('a crash in a request is a 502, those who wait are answered by a fresh instance', async () => {
    const { web, ask, runtime, counts } = await open();
    web({ containerConcurrency: 1 }, { maxScale: 1 });
    await ask();
    const dying = ask('/die');
    const waiting = Array.from({ length: 5 }, () => ask());
    expect((await dying).code).toBe(502);
    expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual([200, 200, 200, 200, 200]);
    expect(runtime.started).toHaveLength(2);
    expect(counts()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('a request that an instance refuses to take goes to another, and that one is ended', async () => {
    const { web, ask, runtime, counts } = await open();
    web();
    await ask();
    runtime.started[0]?.deafen();
    expect(await ask()).toMatchObject({ code: 200, text: 'ok' });
    expect(await ask('/', { method: 'POST', body: 'once' })).toMatchObject({ code: 200 });
    expect(runtime.started).toHaveLength(2);
    await expect.poll(() => runtime.started[0]?.busyAtStop()).toBe(0);
    expect(counts()).toMatchObject({ ready: 1, inFlight: 0, waiting: 0 });
  });

  it('an instance whose probes fail gets nothing, counts as standing, and is asked again once they succeed', async () => {
    const { web, ask, runtime, counts } = await open();
    web();
    await ask();
    const [instance] = runtime.started;
    instance?.setReady(false);
    expect(counts()).toMatchObject({ ready: 0 });
    const waiting = ask();
    await expect.poll(() => counts().waiting).toBe(1);
    expect(runtime.starts).toBe(1);
    instance?.setReady(true);
    expect((await waiting).code).toBe(200);
    expect(runtime.starts).toBe(1);
  });

  it('a crashed instance is started again under its name, which is gone once nothing is started for a window', async () => {
    const clock = new FakeClock();
    const { web, ask, runtime, events, counts } = await open(clock);
    web({}, { windowMs: 6000 });
    await ask();
    runtime.started[0]?.crash();
    await expect.poll(() => counts().ready).toBe(0);
    expect((await ask()).code).toBe(200);
    expect(new Set(runtime.started.map(({ id }) => id)).size).toBe(1);
    const kinds = () => events.map(({ kind }) => kind);
    expect(kinds()).toEqual(['starting', 'ready', 'ended', 'starting', 'ready']);
    runtime.started[1]?.crash();
    await expect.poll(() => kinds().at(-1)).toBe('ended');
    runtime.failures.push(failure());
    await pass(clock, 2);
    expect(kinds().at(-1)).toBe('failed');
    await pass(clock, 7);
    expect(kinds().at(-1)).toBe('gone');
  });

  it('an instance whose Pod is deleted first answers what it has, while another takes its place', async () => {
    const { web, ask, runtime, serving, counts } = await open();
    web();
    const long = ask('/hold');
    await expect.poll(() => held).toHaveLength(1);
    const replaced = serving.replaceInstance(WEB, runtime.started[0]?.id ?? '');
    expect((await ask()).code).toBe(200);
    expect(runtime.started.map(({ most }) => most())).toEqual([1, 1]);
    for (const release of held) release();
    expect((await long).code).toBe(200);
    await replaced;
    expect(counts()).toMatchObject({ ready: 1, inFlight: 0 });
  });

  it('a draining instance that hangs ends when the time of its request is over', async () => {
    const { web, ask, runtime, serving } = await open();
    web({ timeoutMs: 150 });
    const long = ask('/hold');
    await expect.poll(() => held).toHaveLength(1);
    await serving.replaceInstance(WEB, runtime.started[0]?.id ?? '');
    expect((await long).code).toBe(504);
  });

  it('a snapshot tells who runs, and why nobody does', async () => {
    const clock = new FakeClock();
    const { web, ask, runtime, serving } = await open(clock);
    web();
    runtime.failures.push(failure());
    await ask();
    expect(serving.snapshot()).toMatchObject([
      {
        revision: WEB,
        ready: 0,
        desired: 0,
        instances: [],
        trouble: { kind: 'start', code: 'ExitCode1', count: 1 },
      },
    ]);
    await ask();
    expect(serving.snapshot()).toMatchObject([
      { ready: 1, desired: 1, instances: [{ state: 'ready', inFlight: 0 }], trouble: undefined },
    ]);
  });

  it('closing waits for what is in flight, no longer than that takes', async () => {
    const { web, ask, serving, runtime } = await open();
    web();
    await ask();
    const long = ask('/hold');
    await expect.poll(() => held).toHaveLength(1);
    const closed = serving.close(60_000);
    for (const release of held) release();
    expect((await long).code).toBe(200);
    await closed;
    expect(runtime.started[0]?.busyAtStop()).toBe(0);
  }, 5000);

  it('a removed revision answers 404 to those who wait', async () => {
    const { web, ask, serving, runtime, counts } = await open();
    const letStart = runtime.hold();
    web();
    const waiting = ask();
    await expect.poll(() => counts().waiting).toBe(1);
    const removed = serving.removeRevision(WEB);
    expect((await waiting).code).toBe(404);
    letStart();
    await removed;
    await expect.poll(() => runtime.started.map(({ busyAtStop }) => busyAtStop())).toEqual([0]);
  });

  it('tells each step of an instance, draining too', async () => {
    const clock = new FakeClock();
    const { web, ask, counts, events } = await open(clock);
    const states: string[] = [];
    const stop = onSignal('serving.instance', ({ state }) => states.push(state));
    web({}, { windowMs: 6000 });
    await ask();
    await pass(clock, 10);
    expect(counts().ready).toBe(0);
    stop();
    expect(states).toEqual(['starting', 'ready', 'draining', 'stopped']);
    expect(events.map(({ kind }) => kind)).toEqual(['starting', 'ready', 'draining', 'ended', 'gone']);
  });
});
