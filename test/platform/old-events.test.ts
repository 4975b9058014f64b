import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import { EventRecorder } from '../../src/control/recorder.ts';
import { removeOldEvents } from '../../src/platform/old-events.ts';
import { World } from '../kit/world.ts';

const DEADLINE = { timeout: 20_000 };
const EVENT = { apiVersion: 'v1', kind: 'Event' };
const ABOUT: Resource = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', uid: 'u' },
};
const MINUTE_MS = 60_000;

let world: World;
let recorder: EventRecorder;
let stop: AbortController;
let running: Promise<void>;
let errors: unknown[];
beforeEach(async () => {
  world = await World.open();
  recorder = new EventRecorder(world.controller, world.clock, 'test');
  stop = new AbortController();
  errors = [];
  running = removeOldEvents(recorder, world.clock, stop.signal, (error) => errors.push(error));
});
afterEach(async () => {
  stop.abort();
  await running;
  expect(errors).toEqual([]);
});

const tell = (message: string): Promise<void> =>
  recorder.tell(ABOUT, { type: 'Normal', reason: 'R', message });
const messages = async (): Promise<string[]> =>
  (await world.controller.list(EVENT)).items.map((event) => String(Reflect.get(event, 'message'))).toSorted();

/** Until whoever removes them has looked, and waits again. */
async function pass(minutes: number): Promise<void> {
  for (let i = 0; i < minutes; i += 1) {
    world.clock.advance(MINUTE_MS);
    await expect.poll(() => world.clock.sleepers, DEADLINE).toBe(1);
  }
}

describe('an Event', () => {
  it('is there for an hour after it was told last, and no longer', async () => {
    await tell('once');
    await tell('twice');
    await pass(40);
    await tell('twice');
    await pass(19);
    expect(await messages()).toEqual(['once', 'twice']);
    await pass(10);
    await expect.poll(messages, DEADLINE).toEqual(['twice']);
    await pass(45);
    await expect.poll(messages, DEADLINE).toEqual([]);
  });

  it('that somebody else has made without that time goes an hour after it was made', async () => {
    await world.apply({
      ...EVENT,
      metadata: { name: 'other', namespace: 'default' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      reason: 'R',
      message: 'other',
      type: 'Normal',
    });
    await pass(55);
    expect(await messages()).toEqual(['other']);
    await pass(12);
    await expect.poll(messages, DEADLINE).toEqual([]);
  });
});
