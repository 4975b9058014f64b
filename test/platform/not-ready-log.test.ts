import { beforeEach, expect, it } from 'vitest';
import { KINDS } from '../../src/apis/serving/types.ts';
import { NotReadyLog } from '../../src/platform/not-ready-log.ts';
import { aService } from '../kit/serving-objects.ts';
import { World } from '../kit/world.ts';

let world: World;
let lines: string[];
let notReady: NotReadyLog;
beforeEach(async () => {
  world = await World.open();
  lines = [];
  const { informers, clock } = world;
  notReady = new NotReadyLog({ informers, clock, log: ({ message }) => lines.push(message) });
});

async function heard(status: 'True' | 'False'): Promise<void> {
  await world.apply(aService());
  informed();
  await world.informers.synced();
  const told = notReady.heard(KINDS.service, 'Ready', await world.get(KINDS.service, 'hello'));
  await world.state(KINDS.service, 'hello', {
    conditions: [{ type: 'Ready', status, message: 'no image\npush it' }],
  });
  const seen = (): string => JSON.stringify(world.informers.of(KINDS.service).get('default/hello'));
  await expect.poll(seen).toContain(`"${status}"`);
  world.clock.advance(5000);
  await told;
}
const informed = (): unknown => world.informers.of(KINDS.service);

it('what has stayed not ready is a line of the log, with its cause', async () => {
  await heard('False');
  expect(lines).toEqual(['Service default/hello is not ready: no image | push it']);
});

it('what has become ready meanwhile is none', async () => {
  await heard('True');
  expect(lines).toEqual([]);
});
