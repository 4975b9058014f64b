import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LogFiles } from '../../../src/serving/runtime/process/log-files.ts';
import { temporaryFolder } from '../../kit/folders.ts';

const REVISION = { namespace: 'demo', revision: 'f-00001' };
const BOUNDS = { fileBytesMax: 100, filesMax: 3, totalBytesMax: 10_000 };

function opened(folder = temporaryFolder('logs'), more = {}): LogFiles {
  return new LogFiles({ folder, ...BOUNDS, ...more });
}

const bytesIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

describe('the logs of instances', () => {
  it('are a file each, below namespace and revision, read again after a restart', () => {
    const folder = temporaryFolder('logs');
    const logs = opened(folder);
    logs.begin('pod-a', REVISION);
    logs.write('pod-a', 'stdout', Buffer.from('one\n'));
    logs.write('pod-a', 'stderr', Buffer.from('two\n'));
    expect(readdirSync(join(folder, 'demo/f-00001'))).toEqual(['pod-a.log']);
    expect(logs.read('pod-a')?.toString()).toBe('one\ntwo\n');
    logs.close();
    expect(opened(folder).read('pod-a')?.toString()).toBe('one\ntwo\n');
    expect(opened(folder).read('pod-b')).toBeUndefined();
    expect(opened(folder).read('../../etc/passwd')).toBeUndefined();
  });

  it('are rotated, and what is kept is read oldest first', () => {
    const logs = opened();
    logs.begin('pod', REVISION);
    for (let i = 10; i < 60; i += 1) logs.write('pod', 'stdout', Buffer.from(`line ${i}\n`)); // 8 bytes each
    const text = logs.read('pod')?.toString() ?? '';
    expect(text.endsWith('line 58\nline 59\n')).toBe(true);
    expect(text.split('\n').slice(0, -1)).toEqual(
      Array.from({ length: text.length / 8 }, (_, i) => `line ${60 - text.length / 8 + i}`),
    );
    expect(text.length).toBeGreaterThan(100);
  });

  it('G1: a revision never takes more than its bound, however many instances it has had', () => {
    const folder = temporaryFolder('logs');
    const logs = opened(folder, { instancesMax: 5 });
    for (let i = 0; i < 20; i += 1) {
      logs.begin(`pod-${i}`, REVISION);
      for (let line = 0; line < 8; line += 1) logs.write(`pod-${i}`, 'stdout', Buffer.alloc(30, 97));
      expect(bytesIn(join(folder, 'demo/f-00001'))).toBeLessThanOrEqual(300);
      logs.ended(`pod-${i}`);
    }
    expect(logs.read('pod-19')?.byteLength).toBeGreaterThan(0);
    expect(logs.read('pod-0')).toBeUndefined();
    for (let i = 20; i < 40; i += 1) {
      logs.begin(`pod-${i}`, REVISION);
      logs.write(`pod-${i}`, 'stdout', Buffer.from('a'));
      logs.ended(`pod-${i}`);
    }
    expect(readdirSync(join(folder, 'demo/f-00001')).length).toBeLessThanOrEqual(5);
  });

  it('G1: all together are bounded, the oldest go first', () => {
    const folder = temporaryFolder('logs');
    const logs = opened(folder, { fileBytesMax: 64 * 1024 * 1024, totalBytesMax: 1000 });
    logs.begin('old', { namespace: 'demo', revision: 'old-00001' });
    logs.write('old', 'stdout', Buffer.alloc(900));
    logs.ended('old');
    writeFileSync(join(folder, 'demo/old-00001/old.log'), Buffer.alloc(900));
    utimesSync(join(folder, 'demo/old-00001/old.log'), 1, 1);
    logs.begin('new', REVISION);
    logs.write('new', 'stdout', Buffer.alloc(17 * 1024 * 1024)); // past the next look
    expect(logs.read('old')).toBeUndefined();
    expect(logs.read('new')?.byteLength).toBe(17 * 1024 * 1024);
  });

  it('are followed from now on, until the instance has ended', () => {
    const logs = opened();
    const heard: string[] = [];
    logs.begin('pod', REVISION);
    logs.write('pod', 'stdout', Buffer.from('before'));
    const unfollow = logs.follow('pod', (chunk) => heard.push(chunk.toString()));
    logs.follow(
      'pod',
      () => undefined,
      () => heard.push('end'),
    );
    logs.write('pod', 'stdout', Buffer.from('after'));
    unfollow();
    logs.write('pod', 'stdout', Buffer.from('unheard'));
    logs.ended('pod');
    expect(heard).toEqual(['after', 'end']);
  });

  it('G2: what cannot be written is counted, and nothing else happens', () => {
    const folder = temporaryFolder('logs');
    const logs = opened(folder);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'a file where the folder should be');
    logs.begin('pod', REVISION);
    logs.write('pod', 'stdout', Buffer.from('lost'));
    expect(logs.lostBytes).toBe(4);
  });
});
