import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type FoundFile = { readonly path: string; readonly bytes: number; readonly atMs: number };

/** Every file below a folder; none when it is not there. */
export function filesIn(folder: string): readonly FoundFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const path = join(folder, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true ? [{ path, bytes: stat.size, atMs: stat.mtimeMs }] : [];
  });
}

/** Empties a folder whose files are only a saving of time, once they are too much. */
export function boundFolder(folder: string, bytesMax: number): void {
  const bytes = filesIn(folder).reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > bytesMax) rmSync(folder, { recursive: true, force: true });
}
