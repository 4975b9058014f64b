import { expect, it } from 'vitest';
import { MemoryChannel } from '../../../src/channels/memory/memory-channel.ts';
import type { Verdict } from '../../../src/channels/channel.ts';
import { channelContract, OPTIONS } from '../../contracts/channel.ts';
import { anEvent } from '../../kit/events.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

const clock = new FakeClock();
const limits = { clock, owedMax: 100, owedBytesMax: 100_000, deadLettersMax: 10, graceMs: 1000 };

channelContract('memory', {
  clock,
  tick: () => clock.advance(5),
  open: async () => new MemoryChannel(limits),
  release: async () => undefined,
});

it('M1 refuses what it could not keep, and takes events again once there is room', async () => {
  const channel = new MemoryChannel({ ...limits, owedMax: 1 });
  const gate = Promise.withResolvers<Verdict>();
  await channel.consume('audit', OPTIONS, () => gate.promise);
  await channel.publish(anEvent('first'));
  await expect(channel.publish(anEvent('second'))).rejects.toMatchObject({
    code: 'CHANNEL_FULL',
    retryable: true,
  });
  gate.resolve({ kind: 'settled' });
  await expect.poll(() => channel.publish(anEvent('third'))).toBeUndefined();
});

it('a subscription with a bound of its own refuses before the channel is full', async () => {
  const channel = new MemoryChannel(limits);
  await channel.consume('audit', { ...OPTIONS, backlogBytesMax: 100 }, () => new Promise(() => undefined));
  await channel.publish(anEvent('first'));
  await expect(channel.publish(anEvent('second'))).rejects.toThrow(/subscription audit owes \d+ bytes/);
});
