import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../../../src/channels/backend.ts';
import type { Consumer } from '../../../src/channels/channel.ts';
import { Connection } from '../../../src/channels/supervised/connection.ts';
import { SupervisedChannel } from '../../../src/channels/supervised/supervised-channel.ts';
import { OPTIONS } from '../../contracts/channel.ts';
import { anEvent, idOf } from '../../kit/events.ts';
import { FakeBroker } from '../../kit/fake-broker.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const SETTINGS: Settings = { config: { uri: 'fake://broker.test' }, secret: {} };
const spec = {
  key: 'FakeChannel/demo/orders',
  uid: 'uid-1',
  namespace: 'demo',
  name: 'orders',
  spec: {},
  externalName: undefined,
  groups: [],
  claim: { isOurs: false, make: async () => undefined },
};

let clock: FakeClock;
let broker: FakeBroker;
let connection: Connection;
let channel: SupervisedChannel;
let changes: (string | undefined)[];
const seen: string[] = [];
const settle: Consumer = async ({ event }) => (seen.push(idOf(event)), { kind: 'settled' });

beforeEach(async () => {
  clock = new FakeClock();
  broker = new FakeBroker(clock);
  const tools = { clock, random: () => 0.5, graceMs: 1000 };
  connection = new Connection({ configMap: broker.configMap, load: async () => broker }, tools);
  connection.setSettings(SETTINGS);
  changes = [];
  seen.length = 0;
  channel = new SupervisedChannel({
    key: spec.key,
    clock,
    random: () => 0.5,
    open: async () => (await connection.backend()).open(spec),
    onChange: () => changes.push(channel.fault?.message),
  });
});
afterEach(async () => {
  await channel.close();
  await connection.close();
});

/** Polls, and lets time pass meanwhile. */
const eventually = <T>(read: () => T | Promise<T>, stepMs = 200) =>
  expect.poll(() => (clock.advance(stepMs), read()), { interval: 5 });

async function open(): Promise<void> {
  channel.start();
  await channel.tried;
}

describe('a channel in a broker that goes away and comes back', () => {
  it('V1 refuses at once while it is not open, in the words of the broker', async () => {
    broker.goAway();
    await open();
    const refusal = {
      code: 'CHANNEL_LOST',
      message: expect.stringContaining('connection refused by broker.test'),
    };
    await expect(channel.publish(anEvent())).rejects.toMatchObject(refusal);
    await expect(channel.consume('audit', OPTIONS, settle)).rejects.toMatchObject(refusal);
    await expect(channel.backlog()).rejects.toMatchObject(refusal);
    expect(channel.fault).toMatchObject({ code: 'BACKEND_UNREACHABLE' });
  });

  it('V2 takes events again and serves every group that it served before', async () => {
    await open();
    await channel.consume('audit', OPTIONS, settle);
    await channel.publish(anEvent('before'));
    broker.goAway();
    await expect.poll(() => channel.fault?.message).toBe('the broker closed the connection');
    await expect(channel.publish(anEvent('lost'))).rejects.toMatchObject({ code: 'CHANNEL_LOST' });
    broker.comeBack();
    await eventually(() => channel.fault).toBeUndefined();
    await channel.publish(anEvent('after'));
    await expect.poll(() => seen).toEqual(['before', 'after']);
    expect(broker.opened).toHaveLength(2);
    expect(changes).toEqual([undefined, 'the broker closed the connection', undefined]);
  });

  it('V2 tells of a group that cannot be served again, serves the others, and tries that one anew', async () => {
    await open();
    await channel.consume('audit', OPTIONS, settle);
    await channel.consume('mail', OPTIONS, settle);
    broker.refusedGroups.add('mail');
    broker.goAway();
    broker.comeBack();
    await eventually(() => channel.groupFault('mail')?.message).toBe('queue mail is locked');
    expect(channel.fault).toBeUndefined();
    expect(channel.groupFault('audit')).toBeUndefined();
    broker.refusedGroups.clear();
    await eventually(() => channel.groupFault('mail'), 5000).toBeUndefined();
  });

  it('V3 opens anew with new settings and closes the former connection behind it', async () => {
    await open();
    const secret = { password: 'other' };
    expect(connection.setSettings({ ...SETTINGS, secret })).toBe(true);
    expect(connection.setSettings({ ...SETTINGS, secret: { ...secret } })).toBe(false);
    channel.reopen();
    await channel.publish(anEvent()); // never away meanwhile
    await eventually(() => broker.opened.length).toBe(2);
    expect(broker.connects).toEqual([SETTINGS, { ...SETTINGS, secret }]);
  });

  it('V4 says that no ConfigMap tells where the broker is, and opens once one does', async () => {
    connection.setSettings(undefined);
    await open();
    expect(channel.fault).toMatchObject({
      code: 'BACKEND_SETTINGS_INVALID',
      message: 'ConfigMap knative-eventing/fake-channel-config does not say where the broker is',
    });
    connection.setSettings(SETTINGS);
    await eventually(() => channel.fault).toBeUndefined();
  });

  it('tells what check() says while it goes on, and opens anew when that does not pass', async () => {
    await open();
    broker.trouble = 'topic orders has one replica of three in sync';
    await eventually(() => channel.fault?.message, 5000).toBe(
      'topic orders has one replica of three in sync',
    );
    await channel.publish(anEvent());
    await eventually(() => broker.opened.length, 5000).toBeGreaterThan(1);
    broker.trouble = undefined;
    await eventually(() => channel.fault, 5000).toBeUndefined();
  });

  it('removes what is in the broker, but not while the broker is away', async () => {
    await open();
    await channel.consume('audit', { ...OPTIONS, inFlightMax: 0 }, settle);
    await channel.publish(anEvent());
    broker.goAway();
    await expect(channel.remove()).rejects.toMatchObject({ code: 'CHANNEL_LOST' });
    broker.comeBack();
    await eventually(() => channel.fault).toBeUndefined();
    expect(await channel.remove()).toBe(1);
    await expect(channel.publish(anEvent())).rejects.toMatchObject({ code: 'CHANNEL_CLOSED' });
  });
});
