import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exposition } from '../../src/telemetry/exposition.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { publishSignal } from '../../src/telemetry/signals.ts';

let metrics: Metrics;
beforeEach(() => (metrics = new Metrics()));
afterEach(() => metrics.close());

const refuse = (channel: string, code = 429): void =>
  publishSignal('channel.refused', { atMs: 1, channel, code, reason: 'full' });
const linesOf = (name: string): string[] =>
  exposition(metrics.families())
    .split('\n')
    .filter((line) => line.startsWith(name));

describe('metrics', () => {
  it('counts signals by their labels, with one TYPE line a name', () => {
    refuse('LogChannel/demo/orders');
    refuse('LogChannel/demo/orders');
    refuse('LogChannel/demo/orders', 413);
    expect(exposition(metrics.families())).toBe(
      '# TYPE millrace_channel_refused_total counter\n' +
        'millrace_channel_refused_total{channel="LogChannel/demo/orders",code="429"} 2\n' +
        'millrace_channel_refused_total{channel="LogChannel/demo/orders",code="413"} 1\n',
    );
  });

  it('sums bytes and seconds, and tells replies that were sent from those dropped', () => {
    const event = { id: 'e-1', source: '/s', type: 't', atMs: 1, channel: 'c' };
    for (const bytes of [10, 20])
      publishSignal('channel.accepted', { ...event, durableMs: 2, seq: 1, bytes, groups: [] });
    publishSignal('serving.answered', {
      ...event,
      revision: 'demo/web-00001',
      instance: 'i',
      code: 200,
      tookMs: 1500,
      wake: { queuedMs: 0, from: 'pool', startedMs: 1, loadedMs: 1, readyMs: 2, firstByteMs: 3 },
    });
    for (const dropped of [undefined, 'no event'])
      publishSignal('reply.sent', { ...event, group: 'g', inReplyTo: 'e-0', url: undefined, dropped });
    expect(linesOf('millrace_channel_accepted_bytes_total')).toEqual([
      'millrace_channel_accepted_bytes_total{channel="c"} 30',
    ]);
    expect(linesOf('millrace_serving_seconds_sum')).toEqual([
      'millrace_serving_seconds_sum{revision="demo/web-00001"} 1.5',
    ]);
    expect(linesOf('millrace_serving_wakes_total')).toHaveLength(1);
    expect(linesOf('millrace_replies_total')).toEqual([
      'millrace_replies_total{channel="c",outcome="sent"} 1',
      'millrace_replies_total{channel="c",outcome="dropped"} 1',
    ]);
  });

  it('escapes what a label holds, so that no sender can write a line of their own', () => {
    refuse('a"b\\c\nmillrace_forged 1');
    expect(linesOf('millrace_forged')).toEqual([]);
    expect(linesOf('millrace_channel_refused_total')).toEqual([
      'millrace_channel_refused_total{channel="a\\"b\\\\c\\nmillrace_forged 1",code="429"} 1',
    ]);
  });

  it('keeps 1000 series of a name, and counts all further ones together', () => {
    for (let i = 0; i < 1500; i += 1) refuse(`c-${i}`);
    refuse('c-0');
    const lines = linesOf('millrace_channel_refused_total');
    expect(lines).toHaveLength(1001);
    expect(lines.at(0)).toBe('millrace_channel_refused_total{channel="c-0",code="429"} 2');
    expect(lines.at(-1)).toBe('millrace_channel_refused_total{channel="other",code="other"} 500');
  });

  it('counts nothing once it is closed', () => {
    metrics.close();
    refuse('c');
    expect(exposition(metrics.families())).toBe('');
  });
});
