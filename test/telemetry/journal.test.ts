import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../src/telemetry/journal.ts';
import { publishSignal, type Signals } from '../../src/telemetry/signals.ts';

let journal: Journal;
beforeEach(() => (journal = new Journal()));
afterEach(() => journal.close());

const key = { source: '/shop', type: 'order.paid' };
function accept(id: string, atMs = 1): void {
  publishSignal('channel.accepted', {
    ...key,
    id,
    atMs,
    durableMs: atMs + 2,
    channel: 'LogChannel/demo/orders',
    seq: 1,
    bytes: 10,
    groups: ['u-1'],
  });
}
const reply: Signals['reply.sent'] = {
  ...key,
  id: 'r-1',
  atMs: 9,
  channel: 'LogChannel/demo/orders',
  group: 'u-1',
  inReplyTo: 'e-1',
  url: 'http://there.example/',
  dropped: undefined,
};

describe('the journal', () => {
  it('hands over what has come since the last time, once', () => {
    expect(journal.take()).toBeUndefined();
    accept('e-1');
    accept('e-2');
    const lines = Buffer.from(journal.take() ?? [])
      .toString()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { signal: 'channel.accepted', id: 'e-1' },
      { signal: 'channel.accepted', id: 'e-2' },
    ]);
    expect(journal.take()).toBeUndefined();
  });

  it('finds what speaks of one event, its reply too, in the order of the times', () => {
    publishSignal('reply.sent', reply);
    accept('e-1', 5);
    accept('e-10', 1);
    expect(journal.of('e-1', []).map(({ signal, atMs }) => [signal, atMs])).toEqual([
      ['channel.accepted', 5],
      ['reply.sent', 9],
    ]);
    expect(journal.of('r-1', [])).toHaveLength(1);
    expect(journal.of('e', [])).toEqual([]);
  });

  it('finds it in stored rows after a restart, and says once what is both stored and in memory', () => {
    const id = 'quote " and \\ and ünïcode';
    accept(id);
    const stored = [journal.take() ?? new Uint8Array()];
    expect(journal.of(id, stored)).toHaveLength(1);
    const next = new Journal();
    expect(next.of(id, stored)).toEqual(journal.of(id, stored));
    next.close();
  });

  it('keeps the newest 20,000 in memory, the rest only as it is taken', () => {
    for (let i = 0; i < 20_005; i += 1) {
      accept(`e-${i}`, i);
      if (i % 5000 === 0) journal.take();
    }
    expect(journal.of('e-4', [])).toEqual([]);
    expect(journal.of('e-5', [])).toHaveLength(1);
    expect(journal.recent(100_000)).toHaveLength(20_000);
    expect(journal.recent(2).map(({ atMs }) => atMs)).toEqual([20_003, 20_004]);
    expect(journal.dropped).toBe(0);
  });

  it('drops what is not taken beyond 10,000, and counts it', () => {
    for (let i = 0; i < 10_003; i += 1) accept(`e-${i}`);
    expect(journal.dropped).toBe(3);
    expect(
      Buffer.from(journal.take() ?? [])
        .toString()
        .split('\n'),
    ).toHaveLength(10_000);
    accept('later');
    expect(journal.dropped).toBe(3);
    expect(journal.take()).toBeDefined();
  });

  it('tells followers until they stop, and hears nothing once it is closed', () => {
    const heard: string[] = [];
    const unfollow = journal.follow((record) => heard.push(record.signal));
    accept('e-1');
    unfollow();
    accept('e-2');
    journal.close();
    accept('e-3');
    expect(heard).toEqual(['channel.accepted']);
    expect(journal.of('e-3', [])).toEqual([]);
  });
});
