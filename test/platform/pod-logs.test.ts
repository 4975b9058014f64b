import { describe, expect, it } from 'vitest';
import type { LogOptions } from '../../src/apiserver/verbs/pod-log.ts';
import { podLogs } from '../../src/platform/pod-logs.ts';
import { LOG_FILE_BOUNDS, LogFiles } from '../../src/serving/runtime/process/log-files.ts';
import { temporaryFolder } from '../kit/folders.ts';

const POD = 'greeter-00001-abc';

function printed(): LogFiles {
  const files = new LogFiles({ folder: temporaryFolder('pod-logs'), ...LOG_FILE_BOUNDS });
  files.begin(POD, { namespace: 'demo', revision: 'greeter-00001' });
  files.write(POD, 'stdout', Buffer.from('one\ntwo\nthree\n'));
  return files;
}

function read(files: LogFiles, options: Partial<LogOptions>): AsyncIterator<Uint8Array> {
  const all = { tailLines: undefined, isFollowed: false, isPrevious: false, ...options };
  const reading = podLogs(files).read(
    { namespace: 'demo', name: POD, container: undefined },
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
      const options = { tailLines: undefined, isFollowed: false, isPrevious: false };
      const reading = podLogs(files).read(
        { namespace: 'demo', name, container },
        { ...options, signal: new AbortController().signal },
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
});
