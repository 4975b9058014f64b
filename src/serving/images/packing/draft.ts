import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BundleFile } from '../bundle.ts';

export const DRAFT = '.draft-';

/** Writes the files of an image to a new folder in the store, below `root`; returns the folder. */
export function writeDraft(store: string, files: readonly BundleFile[]): string {
  const draft = mkdtempSync(join(store, DRAFT));
  try {
    writeFiles(join(draft, 'root'), files);
    return draft;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true }); // M2: a disk that is full gets back what it took
    throw error;
  }
}

function writeFiles(root: string, files: readonly BundleFile[]): void {
  const made = new Set<string>();
  for (const file of files) {
    const path = join(root, file.path);
    const folder = dirname(path);
    if (!made.has(folder)) mkdirSync(folder, { recursive: true });
    made.add(folder);
    if (file.kind === 'link') symlinkSync(file.target, path);
    else writeFileSync(path, file.content, { mode: file.isExecutable ? 0o555 : 0o444 }); // M1
  }
}
