import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';

/** One file of an image, as it will be stored; `path` is relative, with `/`. */
export type BundleFile = { readonly path: string; readonly isExecutable: boolean } & (
  | { readonly kind: 'file'; readonly content: Buffer }
  | { readonly kind: 'link'; readonly target: string }
);

const FILES_MAX = 100_000;
const BYTES_MAX = 1024 * 1024 * 1024;
const SKIPPED = new Set(['.git', '.DS_Store']);
const LINK_HOPS_MAX = 40; // as the kernel has it

/** Reads a folder or a single file for storing, in a fixed order. Throws PUSH_INVALID on what an image cannot hold. */
export function readBundle(path: string): BundleFile[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw invalid(`${path} does not exist`);
  const room = { bytes: BYTES_MAX, files: FILES_MAX };
  if (stat.isFile()) return [fileAt(dirname(path), basename(path), room)];
  if (!stat.isDirectory()) throw invalid(`${path} is neither a file nor a folder`);
  const files = [...walk(path, '', room)];
  if (files.length === 0) throw invalid(`${path} is empty`);
  return files;
}

type Room = { bytes: number; files: number };

function* walk(root: string, folder: string, room: Room): Generator<BundleFile> {
  const names = readdirSync(join(root, folder)).filter((name) => !SKIPPED.has(name));
  for (const name of names.toSorted()) {
    const path = join(folder, name);
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) yield* walk(root, path, room);
    else if (stat.isSymbolicLink()) yield linkAt(root, path, room);
    else if (stat.isFile()) yield fileAt(root, path, room);
    else throw invalid(`${path} is neither a file nor a folder`);
  }
}

function fileAt(root: string, path: string, room: Room): BundleFile {
  const full = join(root, path);
  const { size, mode } = statSync(full);
  take(room, size); // before it is read
  return { kind: 'file', path, isExecutable: (mode & 0o111) !== 0, content: readFileSync(full) };
}

function linkAt(root: string, path: string, room: Room): BundleFile {
  take(room, 0);
  return { kind: 'link', path, isExecutable: false, target: readlinkSync(join(root, path)) };
}

function take(room: Room, bytes: number): void {
  room.files -= 1;
  room.bytes -= bytes;
  if (room.files < 0) throw invalid(`it has more than ${FILES_MAX} files`);
  if (room.bytes < 0) throw invalid(`it has more than ${BYTES_MAX} bytes`);
}

/** M3: throws PUSH_INVALID when a path, or a link by whatever other links it passes, leads out of the image. */
export function refuseEscapes(files: readonly BundleFile[]): void {
  const links = new Map(
    files.flatMap((file) => (file.kind === 'link' ? [[file.path, file.target] as const] : [])),
  );
  for (const { path } of files) {
    const inner = path.split('/').slice(0, -1);
    const isThroughLink = inner.some((_, i) => links.has(inner.slice(0, i + 1).join('/')));
    if (isThroughLink || leadsOut(path, links))
      throw invalid(`${path} is a link out of the image, to ${links.get(path) ?? path}`);
  }
}

function leadsOut(path: string, links: ReadonlyMap<string, string>): boolean {
  if (isAbsolute(path)) return true;
  const pending = path.split('/');
  const at: string[] = [];
  for (let hops = 0; pending.length > 0 && hops <= LINK_HOPS_MAX;) {
    const part = pending.shift() ?? '';
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.pop() === undefined) return true;
      continue;
    }
    const target = links.get([...at, part].join('/'));
    if (target === undefined) at.push(part);
    else if (isAbsolute(target)) return true;
    else {
      hops += 1;
      pending.unshift(...target.split('/'));
    }
  }
  return false; // inside, or a circle, which nobody can follow
}

/** sha256 over paths, modes and contents: the same bundle has the same digest wherever and whenever it is pushed. */
export function digestOf(files: readonly BundleFile[], launch: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(launch));
  for (const file of files) {
    const body = file.kind === 'file' ? file.content : Buffer.from(file.target);
    hash
      .update(`\0${file.kind}\0${file.path}\0${file.isExecutable ? 'x' : '-'}\0${body.byteLength}\0`)
      .update(body);
  }
  return `sha256:${hash.digest('hex')}`;
}

export function invalid(message: string): PlatformError {
  return new PlatformError('PUSH_INVALID', message, { retryable: false });
}
