import { describe, expect, it } from 'vitest';
import type { LogOptions } from '../../src/apiserver/verbs/pod-log.ts';
import { podLogs } from '../../src/platform/pod-logs.ts';
import { LOG_FILE_BOUNDS, LogFiles } from '../../src/serving/runtime/process/log-files.ts';
import { temporaryFolder } from '../kit/folders.ts';

const POD = 'greeter-00001-abc';

const ALL = {
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  hasTimestamps: false,
  isFollowed: false,
  isPrevious: false,
};

let nowMs = Date.parse('2026-01-01T00:00:00Z');
function printed(): LogFiles {
  const files = new LogFiles({ folder: temporaryFolder('pod-logs'), ...LOG_FILE_BOUNDS, nowMs: () => nowMs });
  files.begin(POD, { namespace: 'demo', revision: 'greeter-00001' });
  files.write(POD, 'stdout', Buffer.from('one\ntwo\nthree\n'));
  return files;
}

function read(files: LogFiles, options: Partial<LogOptions>): AsyncIterator<Uint8Array> {
  const all = { ...ALL, ...options };
  const reading = podLogs(files).read(
    { namespace: 'demo', name: POD, container: undefined, isPlatform: false },
    { signal: new AbortController().signal, ...all },
  );
  if (reading === undefined) throw new Error(`${POD} has no log`);
  return reading[Symbol.asyncIterator]();
}
async function rest(reading: AsyncIterator<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (let next = await reading.next(); next.done !== true; next = await reading.next())
    chunks.push(next.value);
  return Buffer.concat(chunks).toString();
}

describe('the log of a Pod', () => {
  it.each([
    [undefined, 'one\ntwo\nthree\n'],
    [2, 'two\nthree\n'],
    [9, 'one\ntwo\nthree\n'],
    [0, ''],
  ])('of the last %s lines is %j', async (tailLines, expected) => {
    expect(await rest(read(printed(), { tailLines }))).toBe(expected);
  });

  it('is that of the container that is asked for, when there are several', async () => {
    const files = printed();
    const read = (name: string, container: string | undefined) => {
      const reading = podLogs(files).read(
        { namespace: 'demo', name, container, isPlatform: false },
        { ...ALL, signal: new AbortController().signal },
      );
      return reading && rest(reading[Symbol.asyncIterator]());
    };
    for (const container of ['web', 'side']) {
      files.begin(`two.${container}`, { namespace: 'demo', revision: 'two-00001' });
      files.write(`two.${container}`, 'stdout', Buffer.from(`from ${container}`));
    }
    expect(await read('two', 'side')).toBe('from side');
    expect(await read('two', 'web')).toBe('from web');
    expect(await read('two', 'quiet')).toBeUndefined();
    expect(await read(POD, 'user-container')).toBe('one\ntwo\nthree\n');
    expect(await read(POD, 'queue-proxy')).toBe('');
  });

  it('is followed until the instance has ended', async () => {
    const files = printed();
    const reading = read(files, { isFollowed: true, tailLines: 1 });
    expect(Buffer.from((await reading.next()).value as Uint8Array).toString()).toBe('three\n');
    files.write(POD, 'stdout', Buffer.from('four\n'));
    files.ended(POD);
    expect(await rest(reading)).toBe('four\n');
  });

  it('is followed until the reader goes', async () => {
    const stop = new AbortController();
    const reading = read(printed(), { isFollowed: true, signal: stop.signal });
    await reading.next();
    const next = reading.next();
    stop.abort();
    expect(await next).toMatchObject({ done: true });
  });

  it('keeps a bound of it for a reader that reads slower than it is printed, and says what it left out', async () => {
    const files = printed();
    const reading = read(files, { isFollowed: true });
    await reading.next();
    const megabyte = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 10; i += 1) files.write(POD, 'stdout', megabyte);
    files.ended(POD);
    const text = await rest(reading);
    expect(text).toHaveLength(8 * megabyte.length + '… 2097152 bytes were printed faster than read\n'.length);
    expect(text.slice(-48)).toContain('… 2097152 bytes were printed faster than read\n');
  });

  it('is that of the last run; the one before is told when asked for', async () => {
    const files = printed();
    expect(() => read(files, { isPrevious: true })).toThrow('has no log');
    files.ended(POD);
    expect(await rest(read(files, { isPrevious: true }))).toBe('one\ntwo\nthree\n');
    files.begin(POD, { namespace: 'demo', revision: 'greeter-00001' });
    files.write(POD, 'stdout', Buffer.from('four\n'));
    expect(await rest(read(files, {}))).toBe('four\n');
    expect(await rest(read(files, { isPrevious: true, tailLines: 1 }))).toBe('three\n');
  });

  it('ends at once for a follower of what had ended before', async () => {
    const files = printed();
    files.ended(POD);
    expect(await rest(read(files, { isFollowed: true }))).toBe('one\ntwo\nthree\n');
    const silent = new LogFiles({ folder: temporaryFolder('silent'), ...LOG_FILE_BOUNDS });
    silent.begin(POD, { namespace: 'demo', revision: 'greeter-00001' });
    silent.ended(POD);
    expect(await rest(read(silent, { isFollowed: true }))).toBe('');
  });

  it('tells when each line was printed, and only those since a time', async () => {
    const files = printed();
    nowMs += 1500;
    files.write(POD, 'stdout', Buffer.from('four\nfi'));
    nowMs += 1500;
    files.write(POD, 'stdout', Buffer.from('ve\nsix\n'));
    const stamped = (await rest(read(files, { hasTimestamps: true, tailLines: 4 }))).split('\n');
    const atMs = (index: number): number => Date.parse(stamped[index]?.split(' ')[0] ?? '');
    expect(stamped.map((line) => line.split(' ')[1])).toEqual(['three', 'four', 'five', 'six', undefined]);
    expect([atMs(1) - atMs(0), atMs(2) - atMs(1), atMs(3) - atMs(2)]).toEqual([1500, 0, 1500]);
    expect(stamped[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three$/);
    expect(await rest(read(files, { sinceMs: nowMs - 1000 }))).toBe('six\n');
    expect(await rest(read(files, { sinceMs: nowMs - 1000, tailLines: 0 }))).toBe('');
    expect(await rest(read(files, { sinceMs: nowMs - 9000 }))).toBe('one\ntwo\nthree\nfour\nfive\nsix\n');
    expect(await rest(read(files, { sinceMs: nowMs + 1 }))).toBe('');
  });

  it('is cut after so many bytes, for a follower too', async () => {
    const files = printed();
    expect(await rest(read(files, { limitBytes: 5 }))).toBe('one\nt');
    const reading = read(files, { limitBytes: 16, isFollowed: true });
    await reading.next();
    files.write(POD, 'stdout', Buffer.from('four\n'));
    expect(await rest(reading)).toBe('fo');
  });
});
