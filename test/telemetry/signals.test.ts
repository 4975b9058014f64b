import { expect, it } from 'vitest';
import { isHeard, onSignal, publishSignal } from '../../src/telemetry/signals.ts';

const refused = { atMs: 1, channel: 'LogChannel/demo/orders', code: 429, reason: 'full' };

it('a signal reaches whoever listens, until they stop', () => {
  const heard: unknown[] = [];
  const stop = onSignal('channel.refused', (signal) => heard.push(signal));
  expect(isHeard('channel.refused')).toBe(true);
  publishSignal('channel.refused', refused);
  stop();
  publishSignal('channel.refused', refused);
  expect(heard).toEqual([refused]);
  expect(isHeard('channel.refused')).toBe(false);
});
