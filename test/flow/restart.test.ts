import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SubscriberEntry } from '../../src/apis/duck.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { openSmallPlatform, type SmallPlatform } from '../kit/small-platform.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';

/** More than are in flight at a time, so that some of them were never offered before the restart. */
const EVENTS = 150;
const DELIVERY = { retry: 100, backoffPolicy: 'linear', backoffDelay: 'PT0.1S' } as const;

const folder = temporaryFolder('restart');
let isUp = false; // whether the subscribers take what they are sent
let archive: Subscriber;
let answering: Subscriber;
let replies: Subscriber;
let platform: SmallPlatform;

beforeAll(async () => {
  const answer = (code: number) => (response: { writeHead(code: number): { end(): unknown } }) =>
    void response.writeHead(isUp ? code : 503).end();
  archive = await subscriber(answer(204));
  replies = await subscriber(answer(202));
  answering = await subscriber((response) => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': 'reply-1',
      'ce-source': '/greeter',
      'ce-type': 'greeting',
      'content-type': 'text/plain',
    };
    response.writeHead(200, headers).end('hello');
  });
  platform = await open();
});
afterAll(async () => {
  for (const each of [archive, answering, replies]) each.close();
  await platform.close();
});

function open(): Promise<SmallPlatform> {
  const orders: SubscriberEntry[] = [{ uid: 'archives', subscriberUri: archive.url, delivery: DELIVERY }];
  const greetings: SubscriberEntry[] = [
    { uid: 'greets', subscriberUri: answering.url, replyUri: replies.url, delivery: DELIVERY },
  ];
  return openSmallPlatform({ folder, channels: { orders, greetings } });
}

async function publish(channel: string, id: string): Promise<void> {
  const headers = { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/shop', 'ce-type': 'order.paid' };
  const url = `${platform.eventsUrl}/channels/demo/${channel}`;
  expect((await fetch(url, { method: 'POST', headers, body: `body of ${id}` })).status).toBe(202);
}

const attemptsOf = (received: Subscriber): number => received.requests.length;

describe('a platform that is opened again on its folder', () => {
  it('P2 delivers what it owed before: what was in retry, and what had never been offered', async () => {
    await Promise.all(Array.from({ length: EVENTS }, (_, i) => publish('orders', `e-${i}`)));
    await publish('greetings', 'g-1');
    await expect.poll(() => attemptsOf(archive)).toBeGreaterThan(0);
    await expect.poll(() => attemptsOf(replies)).toBeGreaterThan(0);
    await platform.close();
    const before = attemptsOf(archive);

    isUp = true;
    platform = await open();
    const taken = (): Map<string, string> =>
      new Map(
        archive.requests
          .slice(before)
          .map(({ headers, body }) => [headers['ce-id'] ?? '', body.toString()] as const),
      );
    await expect.poll(() => taken().size, { timeout: 10_000 }).toBe(EVENTS);
    for (const [id, body] of taken()) expect(body).toBe(`body of ${id}`);
    expect(archive.requests.slice(before)).toHaveLength(EVENTS); // each once
    await expect
      .poll(async () => (await platform.channel('orders').backlog()).map(({ events }) => events))
      .toEqual([0]);
  });

  it('P8 sends on the reply that it owed, and does not call its subscriber again', async () => {
    await expect
      .poll(async () => (await platform.channel('greetings').backlog()).map(({ events }) => events))
      .toEqual([0]);
    expect(replies.requests.at(-1)?.headers).toMatchObject({ 'ce-id': 'reply-1', 'ce-type': 'greeting' });
    expect(replies.requests.at(-1)?.body.toString()).toBe('hello');
    expect(attemptsOf(answering)).toBe(1);
  });

  it('goes on counting where it was: nothing is delivered twice after all was settled', async () => {
    await platform.close();
    const before = attemptsOf(archive);
    platform = await open();
    await publish('orders', 'after');
    await expect.poll(() => attemptsOf(archive)).toBe(before + 1);
    expect(archive.requests.at(-1)?.headers).toMatchObject({ 'ce-id': 'after' });
  });
});
