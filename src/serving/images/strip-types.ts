import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, normalize, relative } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { invalid, type BundleFile } from './bundle.ts';
import { manifestOf } from './launch.ts';

type TextFile = BundleFile & { readonly kind: 'file' };

/** `from './x.ts'`, `import './x.ts'`, `import('./x.ts')`, `require('./x.ts')`. */
const IMPORTS = /(\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"])(\.{1,2}\/[^'"]*\.[cm]?ts)\2/g;

/**
 * Puts the stripped JavaScript beside each TypeScript file: the first type stripping of a process costs 40 to 52 ms, which
 * is no time to spend while a request waits. Returns the files and, for each TypeScript path, that of its JavaScript.
 * Throws PUSH_INVALID on TypeScript that needs more than stripping.
 */
export function withJavaScript(
  files: readonly BundleFile[],
): [readonly BundleFile[], ReadonlyMap<string, string>] {
  const sources = files.filter((file): file is TextFile => file.kind === 'file' && isTypeScript(file.path));
  const taken = new Set(files.map(({ path }) => path));
  const paths = new Map<string, string>();
  for (const source of sources) {
    const path = freePath(source, packageTypeFor(source.path, files), taken);
    paths.set(source.path, path);
    taken.add(path);
  }
  const added = sources.map((source): BundleFile => {
    const path = paths.get(source.path) ?? '';
    return { kind: 'file', path, isExecutable: false, content: stripped(source, paths) };
  });
  return [[...files, ...added], paths];
}

const isTypeScript = (path: string): boolean =>
  /\.[cm]?ts$/.test(path) && !/\.d\.[cm]?ts$/.test(path) && !path.split('/').includes('node_modules');

/** A compiled file of that name may be there already, of another day; it stays, and what imports it gets it. */
function freePath(
  { path, content }: TextFile,
  packageType: string | undefined,
  taken: ReadonlySet<string>,
): string {
  const stem = path.replace(/\.[cm]?ts$/, '');
  const [, kind = ''] = /\.([cm]?)ts$/.exec(path) ?? [];
  // As Node tells: by the extension, by the nearest package.json, and without either by the syntax.
  const isModule =
    kind === '' && packageType === undefined && /^\s*(?:import|export)\b/m.test(content.toString());
  const extension = isModule ? '.mjs' : `.${kind}js`;
  for (let i = 0; ; i += 1) {
    const candidate = `${stem}${i === 0 ? '' : `.stripped${i === 1 ? '' : i}`}${extension}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/** `type` of the package.json nearest above a file. */
function packageTypeFor(path: string, files: readonly BundleFile[]): string | undefined {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const manifest = manifestOf(files, folder === '.' ? 'package.json' : `${folder}/package.json`);
    if (manifest !== undefined || folder === '.') return manifest?.type;
  }
}

/** Without its types, and importing the JavaScript of its TypeScript neighbours. */
function stripped({ path, content }: TextFile, paths: ReadonlyMap<string, string>): Buffer {
  try {
    // Positions stay, and so does the name: a stack tells of the file that was written.
    const code = quietly(() => stripTypeScriptTypes(content.toString(), { sourceUrl: path }));
    const rewritten = code.replace(IMPORTS, (whole, lead: string, quote: string, target: string) => {
      const found = paths.get(normalize(join(dirname(path), target)));
      if (found === undefined) return whole;
      const own = relative(dirname(path), found);
      return `${lead}${quote}${own.startsWith('.') ? own : `./${own}`}${quote}`;
    });
    return Buffer.from(rewritten);
  } catch (error) {
    throw invalid(faultOf(path, error));
  }
}

/** Node says once that this function of its own may change, which nobody who pushes can do anything about. */
function quietly<T>(act: () => T): T {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning');
  process.emitWarning = () => undefined;
  try {
    return act();
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning);
  }
}

/** What to write instead of what has a meaning at run time, and so is no mere type. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/\benum\b/, 'an object: const Color = { Red: 0 } as const'],
  [/\bnamespace\b|\bmodule\b/, 'a module of its own, and import it'],
  [/parameter propert/, 'a field, and assign it in the constructor'],
  [/import equals|export assignment/, 'import … from, or require'],
];

/** With file and line, as editors open them. */
function faultOf(path: string, error: unknown): string {
  const message = messageOf(error);
  const [first = ''] = String(Reflect.get(Object(error), 'stack')).split('\n', 1);
  const at = /:(\d+)$/.exec(first)?.[1];
  const where = at === undefined ? path : `${path}:${at}`;
  if (Reflect.get(Object(error), 'code') !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return `${where}: ${message}`;
  const instead = INSTEAD.find(([syntax]) => syntax.test(message))?.[1];
  const mend = instead === undefined ? '' : `write ${instead}; or `;
  return `${where}: ${message}: types are stripped, not compiled; ${mend}push what tsc has made of it`;
}
