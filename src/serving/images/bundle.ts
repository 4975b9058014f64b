import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { basename, dirname, isAbsolute, join, normalize, relative } from 'node:path';
import { messageOf, PlatformError } from '../../base/errors.ts';

/** One file of an image, as it will be stored. */
export type BundleFile = { readonly path: string; readonly isExecutable: boolean } & (
  | { readonly kind: 'file'; readonly content: Buffer }
  | { readonly kind: 'link'; readonly target: string }
);

const FILES_MAX = 100_000;
const BYTES_MAX = 1024 * 1024 * 1024;
const SKIPPED = new Set(['.git', '.DS_Store']);

/** Reads a folder or a single file for storing, in a fixed order. Throws PUSH_INVALID on what an image cannot hold. */
export function readBundle(path: string): BundleFile[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw invalid(`${path} does not exist`);
  if (stat.isFile()) return [fileAt(dirname(path), basename(path))];
  const files: BundleFile[] = [];
  let bytes = 0;
  for (const entry of walk(path, '')) {
    files.push(entry);
    if (entry.kind === 'file') bytes += entry.content.byteLength;
    if (files.length > FILES_MAX) throw invalid(`${path} has more than ${FILES_MAX} files`);
    if (bytes > BYTES_MAX) throw invalid(`${path} has more than ${BYTES_MAX} bytes`);
  }
  if (files.length === 0) throw invalid(`${path} is empty`);
  return files;
}

function* walk(root: string, folder: string): Generator<BundleFile> {
  const names = readdirSync(join(root, folder)).filter((name) => !SKIPPED.has(name));
  for (const name of names.toSorted()) {
    const path = join(folder, name);
    const stat = lstatSync(join(root, path));
    if (stat.isDirectory()) yield* walk(root, path);
    else if (stat.isSymbolicLink()) yield linkAt(root, path);
    else if (stat.isFile()) yield fileAt(root, path);
    else throw invalid(`${path} is neither a file nor a folder`);
  }
}

function fileAt(root: string, path: string): BundleFile {
  const full = join(root, path);
  return {
    kind: 'file',
    path,
    isExecutable: (statSync(full).mode & 0o111) !== 0,
    content: readFileSync(full),
  };
}

function linkAt(root: string, path: string): BundleFile {
  const target = readlinkSync(join(root, path));
  const leadsTo = normalize(join(dirname(path), target));
  if (isAbsolute(target) || leadsTo.startsWith('..'))
    throw invalid(`${path} is a link out of the image, to ${target}`); // M3
  return { kind: 'link', path, isExecutable: false, target };
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

/**
 * Puts the stripped JavaScript beside each TypeScript file: the first type stripping of a process costs 40 to 52 ms, which
 * is no time to spend while a request waits. Returns the files and, for each TypeScript path, that of its JavaScript.
 */
export function withJavaScript(
  files: readonly BundleFile[],
  packageType: string | undefined,
): [BundleFile[], Map<string, string>] {
  const sources = files.filter((file) => file.kind === 'file' && isTypeScript(file.path));
  const javaScript = new Map(sources.map((file) => [file.path, javaScriptPath(file, packageType)]));
  const taken = new Set(files.map(({ path }) => path));
  const added: BundleFile[] = [];
  for (const file of sources) {
    const path = javaScript.get(file.path) ?? '';
    if (file.kind === 'file' && !taken.has(path)) {
      added.push({
        kind: 'file',
        path,
        isExecutable: false,
        content: stripped(file.path, file.content, javaScript),
      });
    }
  }
  return [[...files, ...added], javaScript];
}

const isTypeScript = (path: string): boolean =>
  /\.[cm]?ts$/.test(path) && !path.endsWith('.d.ts') && !path.split('/').includes('node_modules');

function javaScriptPath(file: BundleFile, packageType: string | undefined): string {
  if (/\.[cm]ts$/.test(file.path)) return file.path.replace(/ts$/, 'js');
  const text = file.kind === 'file' ? file.content.toString() : '';
  const isModule = packageType === undefined && /^\s*(?:import|export)\b/m.test(text);
  return file.path.replace(/ts$/, isModule ? 'mjs' : 'js');
}

function stripped(path: string, content: Buffer, javaScript: ReadonlyMap<string, string>): Buffer {
  try {
    const code = stripTypeScriptTypes(content.toString());
    // An import of a TypeScript neighbour means its JavaScript now.
    const rewritten = code.replace(
      /(from\s*|import\s*\(?\s*)(['"])(\.[^'"]+\.[cm]?ts)\2/g,
      (whole, lead: string, quote: string, target: string) => {
        const found = javaScript.get(normalize(join(dirname(path), target)));
        if (found === undefined) return whole;
        const own = relative(dirname(path), found);
        return `${lead}${quote}${own.startsWith('.') ? own : `./${own}`}${quote}`;
      },
    );
    return Buffer.from(rewritten);
  } catch (error) {
    throw invalid(`${path}: its types cannot be stripped: ${messageOf(error)}`);
  }
}

export function invalid(message: string): PlatformError {
  return new PlatformError('PUSH_INVALID', message, { retryable: false });
}
