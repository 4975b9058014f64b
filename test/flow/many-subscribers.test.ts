import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { openSmallPlatform, type SmallPlatform } from '../kit/small-platform.ts';
import { brokenSubscriber, subscriber, type Subscriber } from '../kit/subscribers.ts';

const EVENTS = 250;
const IN_FLIGHT = 100; // contract: Defaults, "in flight per subscription"
const POISON = 'e-7';

const folder = temporaryFolder('many');
let platform: SmallPlatform;
let first: Subscriber;
let second: Subscriber;
let hanging: Subscriber;

beforeAll(async () => {
  first = await subscriber((response) => response.writeHead(204).end());
  second = await subscriber((response, { headers }) => {
    if (headers['ce-id'] !== POISON) response.writeHead(204).end(); // and that one is never answered
  });
  hanging = await brokenSubscriber(() => undefined);
  platform = await openSmallPlatform({
    folder,
    channels: {
      orders: [
        { uid: 'first', subscriberUri: first.url },
        { uid: 'second', subscriberUri: second.url },
        { uid: 'hangs', subscriberUri: hanging.url },
      ],
    },
  });
  await Promise.all(Array.from({ length: EVENTS }, (_, i) => publish(`e-${i}`)));
});
afterAll(async () => {
  for (const each of [first, second, hanging]) each.close();
  await platform.close();
});

const bodyOf = (id: string): string => `{"of":"${id}","total":12345678901234567890}`;
const idsAt = ({ requests }: Subscriber): Set<string | undefined> =>
  new Set(requests.map(({ headers }) => headers['ce-id']));

async function publish(id: string): Promise<void> {
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/shop',
    'ce-type': 'order.paid',
  };
  const url = `${platform.eventsUrl}/channels/demo/orders`;
  expect((await fetch(url, { method: 'POST', headers, body: bodyOf(id) })).status).toBe(202);
}

describe('three subscriptions of one channel', () => {
  it('P7 are delivered everything although a third of them hangs', async () => {
    await expect.poll(() => idsAt(first).size).toBe(EVENTS);
    expect(first.requests).toHaveLength(EVENTS);
    const backlog = await platform.channel('orders').backlog();
    expect(backlog.find(({ group }) => group === 'first')).toMatchObject({ events: 0 });
    expect(backlog.find(({ group }) => group === 'hangs')).toMatchObject({
      events: EVENTS,
      inFlight: IN_FLIGHT,
    });
  });

  it('P7 are delivered everything although one event hangs', async () => {
    await expect.poll(() => idsAt(second).size).toBe(EVENTS);
    const backlog = await platform.channel('orders').backlog();
    expect(backlog.find(({ group }) => group === 'second')).toMatchObject({ events: 1, inFlight: 1 });
  });

  it('P3 get the bytes that were sent', () => {
    for (const { headers, body } of [...first.requests, ...second.requests]) {
      expect(body.toString()).toBe(bodyOf(headers['ce-id'] ?? ''));
    }
  });

  it('share one stored copy of each event', () => {
    const db = new DatabaseSync(join(folder, 'events.db'), { readOnly: true });
    const stored = db.prepare('SELECT count(*) AS events, sum(length(body)) AS bytes FROM events').get();
    db.close();
    const bytes = Array.from({ length: EVENTS }, (_, i) => bodyOf(`e-${i}`).length).reduce((a, b) => a + b);
    expect({ ...stored }).toEqual({ events: EVENTS, bytes });
  });
});
