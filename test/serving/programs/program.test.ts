import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlatformError } from '../../../src/base/errors.ts';
import type { ProgramPlan } from '../../../src/serving/programs/program.ts';
import { Programs } from '../../../src/serving/programs/programs.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { TwinRuntime } from '../../kit/runtime.ts';
import { revisionPlan } from '../../kit/small-platform.ts';

const KEY = 'demo/heart-deployment';
let clock: FakeClock;
let runtime: TwinRuntime;
let programs: Programs;
let changes: string[];

beforeEach(() => {
  clock = new FakeClock();
  runtime = new TwinRuntime((_, response) => response.end());
  programs = new Programs({ runtime, clock });
  changes = [];
  programs.follow((key) => changes.push(key));
});
afterEach(async () => {
  await programs.close(0);
  await runtime.close();
});

const aPlan = (more: Partial<ProgramPlan> = {}): ProgramPlan => ({
  key: KEY,
  instance: {
    ...revisionPlan('heart', '/', { kind: 'program', command: ['heart'] }).instance,
    revision: 'heart-deployment',
  },
  replicas: 1,
  generation: 'one',
  graceMs: 1000,
  availableAfterMs: 1000,
  ...more,
});
const standing = () => programs.standingOf(KEY);
const states = () => standing().map(({ state, generation }) => `${generation} ${state}`);
/** Until the second has passed after which what runs counts as available. */
async function settle(): Promise<void> {
  await expect.poll(() => standing().some(({ state }) => state === 'running')).toBe(true);
  clock.advance(1000);
  await expect.poll(() => standing().some(({ isAvailable }) => isAvailable)).toBe(true);
}

describe('a program that stands by itself', () => {
  it('P1 runs as often as its plan says, and is available when it has run for a while', async () => {
    programs.set(aPlan({ replicas: 2 }));
    await expect.poll(states).toEqual(['one running', 'one running']);
    expect(standing().map(({ isAvailable }) => isAvailable)).toEqual([false, false]);
    expect(standing()[0]?.id).toMatch(/^heart-deployment-one-\w{5}$/);
    await settle();
    programs.set(aPlan({ replicas: 1 }));
    await expect.poll(states).toEqual(['one running']);
    expect(changes).toContain(KEY);
  });

  it('P1 is started again under its name when it ends, at once and then after growing pauses', async () => {
    programs.set(aPlan());
    await settle();
    const [before] = standing();
    runtime.started[0]?.crash();
    await expect.poll(() => runtime.started.length).toBe(2);
    expect(standing()).toMatchObject([{ id: before?.id, restarts: 1, trouble: { code: 'ExitCode3' } }]);
    runtime.started[1]?.crash();
    await expect.poll(states).toEqual(['one pausing']);
    expect(standing()[0]?.isAvailable).toBe(false);
    clock.advance(999);
    expect(states()).toEqual(['one pausing']);
    clock.advance(1);
    await expect.poll(() => runtime.started.length).toBe(3);
  });

  it('P1 is tried again when it could not be started', async () => {
    runtime.failures.push(new PlatformError('ExitCode127', 'no such file', { retryable: true }));
    programs.set(aPlan());
    await expect.poll(states).toEqual(['one running']);
    expect(standing()[0]).toMatchObject({ restarts: 1, trouble: { kind: 'start', reason: 'no such file' } });
  });

  it('P2 is replaced by another generation, which stands before the old one goes', async () => {
    programs.set(aPlan());
    await settle();
    programs.set(aPlan({ generation: 'two' }));
    await expect.poll(states).toEqual(['one running', 'two running']);
    clock.advance(1000);
    await expect.poll(states).toEqual(['two running']);
  });

  it('P2 goes on while another generation does not come to stand', async () => {
    programs.set(aPlan());
    await settle();
    programs.set(aPlan({ generation: 'two' }));
    await expect.poll(() => runtime.started.length).toBe(2);
    runtime.started[1]?.crash();
    await expect.poll(() => runtime.started.length).toBe(3);
    runtime.started[2]?.crash();
    await expect.poll(states).toEqual(['one running', 'two pausing']);
    programs.set(aPlan({ generation: 'three' }));
    clock.advance(1000);
    await expect.poll(() => states().includes('three running')).toBe(true);
    clock.advance(1000);
    await expect.poll(states).toEqual(['three running']);
  });

  it('has a successor for the one that is asked to go', async () => {
    programs.set(aPlan());
    await settle();
    const [before] = standing();
    programs.replace(KEY, before?.id ?? '');
    await expect.poll(() => standing().map(({ id }) => id === before?.id)).toEqual([false]);
    await expect.poll(states).toEqual(['one running']);
  });

  it('P3 is gone when it has been removed, whatever it was doing', async () => {
    programs.set(aPlan());
    await settle();
    const release = runtime.hold();
    programs.set(aPlan({ replicas: 2 }));
    await expect.poll(() => runtime.starts).toBe(2);
    const removed = programs.remove(KEY);
    release();
    await removed;
    await programs.remove(KEY);
    await Promise.all(runtime.started.map(({ ended }) => ended));
    expect(runtime.started).toHaveLength(2);
    expect(standing()).toEqual([]);
  });
});
