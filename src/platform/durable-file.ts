import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces a small file so that it is whole, old or new, whenever the power goes: written beside, synced, put in its place. */
export async function writeDurably(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const beside = await open(`${file}.new`, 'w', 0o600);
  try {
    await beside.writeFile(text);
    await beside.sync();
  } finally {
    await beside.close();
  }
  await rename(`${file}.new`, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync(); // a rename is durable with its folder
  } finally {
    await folder.close();
  }
}
