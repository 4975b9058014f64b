import { beforeEach, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/apis/resource.ts';
import { EventRecorder } from '../../src/control/recorder.ts';
import { World } from '../kit/world.ts';

const EVENT = { apiVersion: 'v1', kind: 'Event' };
const pod = (name: string): Resource => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
});
type Stored = { readonly message: string; readonly count: number } & Readonly<Record<string, string>>;

let world: World;
let recorder: EventRecorder;
beforeEach(async () => {
  world = await World.open();
  recorder = new EventRecorder(world.controller, world.clock, 'kubelet');
});

const tell = (message: string, about = pod('p')): Promise<void> =>
  recorder.tell(about, { type: 'Warning', reason: 'Unhealthy', message });
/** As `kubectl get events` lists them. */
async function events(): Promise<readonly Stored[]> {
  const { items } = await world.controller.list(EVENT);
  return items as unknown as readonly Stored[]; // written by the recorder
}
const told = async (): Promise<unknown[]> => (await events()).map(({ message, count }) => [message, count]);

describe('what is said of an object', () => {
  it('is one Event however often it is said, with its first and its last time', async () => {
    await tell('refused');
    world.clock.advance(5000);
    await tell('refused');
    const [only, ...others] = await events();
    expect(others).toEqual([]);
    expect(only).toMatchObject({ count: 2, type: 'Warning', reason: 'Unhealthy' });
    expect(Date.parse(only?.['lastTimestamp'] ?? '') - Date.parse(only?.['firstTimestamp'] ?? '')).toBe(5000);
  });

  it('is listed in the order in which it was said, within a second too', async () => {
    for (const message of ['b', 'c', 'a']) await tell(message);
    expect(await told()).toEqual([
      ['b', 1],
      ['c', 1],
      ['a', 1],
    ]);
  });

  it('is combined from the eleventh text on that differs', async () => {
    for (let i = 1; i <= 12; i += 1) await tell(`fault ${i}`);
    const all = await told();
    expect(all).toHaveLength(11);
    expect(all).toContainEqual(['(combined from similar events): fault 12', 2]);
  });

  it('is said 25 times at once, and once more every five minutes; of another object as often', async () => {
    for (let i = 0; i < 40; i += 1) await tell('again');
    await tell('again', pod('q'));
    expect(await told()).toEqual([
      ['again', 25],
      ['again', 1],
    ]);
    world.clock.advance(300_000);
    for (let i = 0; i < 3; i += 1) await tell('again');
    expect((await told())[0]).toEqual(['again', 26]);
  });

  it('takes no other’s name, though two speak of objects of one name in the same moment', async () => {
    const other = new EventRecorder(world.controller, world.clock, 'route-controller');
    await tell('one');
    await other.tell(pod('p'), { type: 'Normal', reason: 'Created', message: 'two' });
    expect(new Set((await events()).map(({ message }) => message))).toEqual(new Set(['one', 'two']));
  });
});

describe('old Events', () => {
  it('make room for new ones beyond 5000, the oldest first', async () => {
    for (let i = 0; i < 5003; i += 100) {
      const some = Array.from({ length: Math.min(100, 5003 - i) }, (_, n) => tell('x', pod(`p-${i + n}`)));
      await Promise.all(some);
      world.clock.advance(1000);
    }
    await recorder.prune();
    const left = (await events()).map(({ involvedObject }) =>
      Number(String(Reflect.get(Object(involvedObject), 'name')).slice(2)),
    );
    expect(left).toHaveLength(5000);
    expect(left.filter((n) => n < 100)).toHaveLength(97); // those of the first second are 100
  }, 30_000);
});
