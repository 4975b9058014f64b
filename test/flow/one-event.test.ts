import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../src/serving/runtime/process/ports.ts';
import { onSignal, type SignalName, type Signals } from '../../src/telemetry/signals.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { openSmallPlatform, type SmallPlatform } from '../kit/small-platform.ts';
import { brokenSubscriber, subscriber, type Subscriber } from '../kit/subscribers.ts';

const GREETER = folderWith('greeter', {
  'index.mjs': `
    import { CloudEvent } from 'cloudevents';
    export function handle(context, event) {
      const data = { bytes: context.rawBody.toString(), seen: event instanceof CloudEvent };
      return new CloudEvent({ id: 'reply-1', source: '/greeter', type: 'greeting', data });
    }`,
});
const BODY = '{"n":12345678901234567890}';
const EVENT = {
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-id': 'flow-1',
  'ce-source': '/shop',
  'ce-type': 'order.paid',
};
const REVISION = 'demo/greeter-00001';
const WATCHED: readonly SignalName[] = [
  'channel.accepted',
  'dispatcher.attempted',
  'serving.instance',
  'serving.answered',
  'reply.sent',
];

let platform: SmallPlatform;
let archive: Subscriber;
let answers: Subscriber;
let hanging: Subscriber;
const heard: [SignalName, Record<string, unknown>][] = [];
const stops: (() => void)[] = [];

beforeAll(async () => {
  archive = await subscriber((response) => response.writeHead(204).end());
  answers = await subscriber((response) => response.writeHead(204).end());
  const port = await freePort();
  hanging = await brokenSubscriber(() => undefined);
  platform = await openSmallPlatform({
    folder: temporaryFolder('flow'),
    port,
    services: {
      greeter: {
        directory: GREETER,
        launch: { kind: 'function', entry: 'index.mjs' },
        scale: { windowMs: 6000, panicWindowMs: 1000 },
      },
    },
    channels: {
      orders: [
        {
          uid: 'greets',
          subscriberUri: 'http://greeter.demo.svc.cluster.local/',
          replyUri: `http://127.0.0.1:${port}/channels/demo/replies`,
        },
        { uid: 'hangs', subscriberUri: hanging.url },
      ],
      replies: [{ uid: 'answers', subscriberUri: answers.url }],
      plain: [{ uid: 'archives', subscriberUri: archive.url }],
    },
  });
  await platform.runtime.warmedUp();
  for (const name of WATCHED)
    stops.push(onSignal(name, (signal: Signals[SignalName]) => heard.push([name, { ...signal }])));
});
afterAll(async () => {
  for (const stop of stops) stop();
  for (const each of [archive, answers, hanging]) each.close();
  await platform.close();
});

const post = (path: string, headers: Record<string, string>, body: string): Promise<Response> =>
  fetch(`${platform.eventsUrl}${path}`, { method: 'POST', headers, body });

const of = (name: SignalName): Record<string, unknown>[] =>
  heard.filter(([each]) => each === name).map(([, signal]) => signal);

/** What was heard, a line each, in the order that it was said. The hanging subscription says nothing. */
const steps = (): string[] =>
  heard.map(([name, signal]) => {
    const its = (field: string): string => String(signal[field]);
    switch (name) {
      case 'channel.accepted':
        return `accepted ${its('id')} into ${its('channel').split('/').at(-1)}`;
      case 'dispatcher.attempted': {
        const next = its('next') === 'settled' ? '' : `, then ${its('next')}`;
        return `${its('outcome')} ${its('id')} to ${its('group')}${next}`;
      }
      case 'serving.instance':
        return `instance ${its('state')}`;
      case 'serving.answered':
        return `answered ${its('id')} with ${its('code')}`;
      case 'reply.sent':
        return `reply ${its('id')} sent for ${its('inReplyTo')}`;
      default:
        return name;
    }
  });

describe('one event', () => {
  it('goes from the door through the log to a function woken from zero, and its reply goes on', async () => {
    expect(platform.serving.countsOf(REVISION)).toMatchObject({ ready: 0 });
    expect((await post('/channels/demo/orders', EVENT, BODY)).status).toBe(202);
    await expect.poll(() => answers.requests).toHaveLength(1);
    await expect.poll(() => steps()).toContain('delivered reply-1 to answers');
    const way = [
      'accepted flow-1 into orders',
      'instance starting',
      'instance ready',
      'answered flow-1 with 200',
      'delivered flow-1 to greets, then reply',
      'accepted reply-1 into replies',
      'reply reply-1 sent for flow-1',
    ];
    expect(steps().filter((step) => way.includes(step))).toEqual(way);
    expect(of('serving.answered')).toMatchObject([{ revision: REVISION, wake: { queuedMs: 0 } }]);
  });

  it('P3 is the same to the byte wherever it comes', () => {
    const { bytes, seen } = JSON.parse(answers.requests[0]?.body.toString() ?? '') as Record<string, unknown>;
    expect({ bytes, seen }).toEqual({ bytes: BODY, seen: true });
    expect(answers.requests[0]?.headers).toMatchObject({
      'ce-id': 'reply-1',
      'ce-type': 'greeting',
      'ce-source': '/greeter',
      'kn-namespace': 'demo',
    });
  });

  it('reaches one subscriber while another hangs, and the hanging one is still owed it', async () => {
    const backlog = await platform.channel('orders').backlog();
    expect(backlog.find(({ group }) => group === 'hangs')).toMatchObject({ events: 1, inFlight: 1 });
  });

  it('keeps its bytes from structured mode to binary mode', async () => {
    const structured = `{"specversion":"1.0","id":"s-1","source":"/shop","type":"t","data":${BODY}}`;
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect((await post('/channels/demo/plain', headers, structured)).status).toBe(202);
    await expect.poll(() => archive.requests).toHaveLength(1);
    expect(archive.requests[0]?.body.toString()).toBe(BODY);
    expect(archive.requests[0]?.headers).toMatchObject({
      'ce-id': 's-1',
      'content-type': 'application/json',
    });
  });

  it('finds the function gone to zero again after its window', async () => {
    const { serving } = platform;
    await expect.poll(() => serving.countsOf(REVISION).ready, { timeout: 15_000, interval: 100 }).toBe(0);
    await expect.poll(() => of('serving.instance').at(-1)?.['state'], { timeout: 3000 }).toBe('stopped');
  });
});

describe('the door', () => {
  it.each<[string, string, Record<string, string>, number]>([
    ['GET', '/channels/demo/orders', {}, 405],
    ['POST', '/channels/demo/nobody', EVENT, 404],
    ['POST', '/elsewhere', EVENT, 404],
    ['POST', '/channels/demo/orders', { 'content-type': 'text/plain' }, 400],
    ['POST', '/channels/demo/orders', { ...EVENT, 'ce-id': '' }, 400],
    [
      'POST',
      '/channels/demo/orders',
      { ...EVENT, 'ce-big': 'x'.repeat(15_000), 'content-encoding': 'gzip' },
      415,
    ],
  ])('answers %s %s with %j by %d', async (method, path, headers, code) => {
    const response = await fetch(`${platform.eventsUrl}${path}`, {
      method,
      headers,
      ...(method === 'POST' && { body: '{}' }),
    });
    expect(response.status).toBe(code);
    expect(await response.text()).not.toBe('');
  });

  it('answers the handshake of CloudEvents webhooks', async () => {
    const response = await fetch(`${platform.eventsUrl}/channels/demo/orders`, { method: 'OPTIONS' });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      allow: 'POST, OPTIONS',
      'webhook-allowed-origin': '*',
    });
  });

  it('takes 32 MiB and refuses a byte more with 413', async () => {
    const most = 32 * 1024 * 1024;
    const large = await post(
      '/channels/demo/plain',
      { ...EVENT, 'content-type': 'text/plain' },
      'x'.repeat(most - 100),
    );
    expect(large.status).toBe(202);
    const larger = await post('/channels/demo/plain', EVENT, 'x'.repeat(most + 1)).catch(() => undefined);
    expect(larger?.status ?? 413).toBe(413); // the connection may be cut before the answer is read
  });
});
