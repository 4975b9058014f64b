import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeDataDir, writeRunFile } from '../../src/platform/data-dir.ts';
import { temporaryFolder } from '../kit/folders.ts';

const root = temporaryFolder('data-dir');

describe('a data folder', () => {
  it('belongs to one process until it lets go, for its owner alone', () => {
    const folder = join(root, 'a', 'deep', 'one');
    const release = takeDataDir(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(() => takeDataDir(folder)).toThrow(
      expect.objectContaining({
        code: 'DATA_DIR_TAKEN',
        message: expect.stringContaining(`pid ${process.pid}`),
      }),
    );
    release();
    takeDataDir(folder)();
    expect(readdirSync(folder)).toEqual(['VERSION']);
  });

  it('is made private when it was open to others', () => {
    const folder = join(root, 'open');
    mkdirSync(folder, { mode: 0o755 });
    takeDataDir(folder)();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it.each([
    ['a pid that is gone', '{"pid":4194303,"started":"1"}'],
    ['a pid that is another process by now', JSON.stringify({ pid: process.pid, started: '1' })],
    ['a file that was cut', '{"pid":'],
  ])('is taken over from %s', (_, lock) => {
    const folder = join(root, 'left');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'lock'), lock);
    const release = takeDataDir(folder);
    expect(JSON.parse(readFileSync(join(folder, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    release();
  });

  it.skipIf(process.platform !== 'linux')(
    'is taken over from a process that has ended and that nobody has waited for',
    async () => {
      const parent = spawn('sh', ['-c', 'exec 3<&0; sh -c "read line" <&3 & echo $!; exec sleep 60']);
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const name = (): string => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim();
      await expect.poll(name, { timeout: 10_000 }).toBe('sleep'); // which waits for nobody
      parent.stdin.end('\n');
      const pid = Number(line.toString());
      const fields = (): string[] =>
        readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      await expect.poll(() => fields()[0], { timeout: 10_000 }).toBe('Z');
      const folder = join(root, 'unreaped');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'lock'), JSON.stringify({ pid, started: fields()[19] }));
      takeDataDir(folder)();
      parent.kill('SIGKILL');
    },
  );

  it('is not opened, and not changed, when its format is newer or cannot be read', () => {
    for (const [name, format] of [
      ['newer', '2'],
      ['odd', 'two'],
    ] as const) {
      const folder = join(root, name);
      mkdirSync(folder);
      writeFileSync(join(folder, 'VERSION'), format);
      expect(() => takeDataDir(folder)).toThrow(expect.objectContaining({ code: 'FORMAT_NEWER' }));
      expect(readdirSync(folder)).toEqual(['VERSION']);
      expect(readFileSync(join(folder, 'VERSION'), 'utf8')).toBe(format);
    }
  });

  it('has a run file that is replaced in one step', () => {
    writeRunFile(root, { pid: 1 });
    writeRunFile(root, { pid: 2 });
    expect(JSON.parse(readFileSync(join(root, 'run.json'), 'utf8'))).toEqual({ pid: 2 });
    expect(statSync(join(root, 'run.json')).mode & 0o777).toBe(0o600);
    expect(existsSync(join(root, 'run.json.new'))).toBe(false);
  });
});
