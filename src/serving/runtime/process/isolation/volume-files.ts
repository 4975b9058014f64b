import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { VolumeFile } from '../../volume-spec.ts';
import { filesIn } from '../files-in.ts';

const CURRENT = '..data';

/**
 * Writes the files of a volume so that who reads them sees all of the old or all of the new ones (kubelet's atomic writer):
 * they are in a folder of their own, `..data` links to it, each file is a link through `..data`, and an update is one
 * rename of that link. What is the same already is left as it is.
 */
export function writeVolume(folder: string, volume: readonly VolumeFile[], id: string): void {
  const files = volume.map(({ content, ...file }) => ({
    ...file,
    content: content === 'instance id' ? Buffer.from(id) : content,
  }));
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (isSame(folder, files)) return;
  const before = currentOf(folder);
  const fresh = mkdtempSync(join(folder, '..v'));
  for (const { path, content, mode } of files) {
    const file = join(fresh, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content, { mode: 0o600 });
    chmodSync(file, mode); // whatever the umask
  }
  chmodSync(fresh, 0o755);
  symlinkSync(basename(fresh), join(folder, `${CURRENT}_tmp`));
  renameSync(join(folder, `${CURRENT}_tmp`), join(folder, CURRENT));
  const tops = new Set(files.map(({ path }) => path.split('/')[0] ?? path));
  const links = readdirSync(folder).filter((name) => !name.startsWith('..'));
  for (const top of tops) if (!links.includes(top)) symlinkSync(`${CURRENT}/${top}`, join(folder, top));
  for (const name of links) if (!tops.has(name)) rmSync(join(folder, name), { force: true });
  if (before !== undefined) rmSync(join(folder, before), { recursive: true, force: true });
}

function currentOf(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, CURRENT));
  } catch {
    return undefined;
  }
}

function isSame(folder: string, files: readonly (VolumeFile & { readonly content: Buffer })[]): boolean {
  const current = join(folder, CURRENT);
  if (!existsSync(current)) return false;
  const there = filesIn(current);
  return (
    there.length === files.length &&
    files.every(({ path, content, mode }) => {
      const file = join(current, path);
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat?.isFile() === true && (stat.mode & 0o777) === mode && readFileSync(file).equals(content);
    })
  );
}
