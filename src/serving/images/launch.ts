import { PlatformError } from '../../base/errors.ts';
import { invalid, type BundleFile } from './bundle.ts';

/** What starts an image; `entry` is a path inside it. */
export type ImageLaunch =
  | { readonly kind: 'function'; readonly entry: string }
  | { readonly kind: 'program'; readonly command: readonly string[] };

/** Whom its programs run as, when their manifest names nobody; without a group, that of the same number. */
export type ImageUser = { readonly uid: number; readonly gid: number };

const ID_MAX = 2 ** 31 - 1; // Kubernetes' own bound of runAsUser

/** `UID` or `UID:GID`, as in a Dockerfile, by number; throws PUSH_INVALID. */
export function parseUser(written: string): ImageUser {
  const [, uid, gid = uid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(written) ?? [];
  const user = { uid: Number(uid), gid: Number(gid) };
  if (uid !== undefined && Math.max(user.uid, user.gid) <= ID_MAX) return user;
  throw invalid(`${JSON.stringify(written)} is no user; it is UID or UID:GID, by number, up to ${ID_MAX}`);
}

/** What is to be found out by trying: a function whose entry may turn out to be none. */
export type Guess = { readonly launch: ImageLaunch; readonly otherwise: ImageLaunch | undefined };

const ENTRIES = [
  'index.js',
  'index.mjs',
  'index.cjs',
  'index.ts',
  'build/index.js',
  'dist/index.js',
  'src/index.ts',
  'src/index.js',
];

/** Finds out what a bundle is (contract: Images and functions). Throws PUSH_INVALID when it is nothing that can start. */
export function guessLaunch(files: readonly BundleFile[], command: string | undefined): Guess {
  if (command !== undefined) return sure({ kind: 'program', command: ['sh', '-c', command] });
  const only = files.length === 1 ? files[0] : undefined;
  if (only?.kind === 'file' && /\.[cm]?[jt]s$/.test(only.path))
    return sure({ kind: 'function', entry: only.path });
  if (only?.isExecutable === true) return sure({ kind: 'program', command: [`./${only.path}`] });
  const web = /^web:\s*(.+)$/m.exec(textOf(files, 'Procfile') ?? '')?.[1];
  if (web !== undefined) return sure({ kind: 'program', command: ['sh', '-c', `exec ${web}`] });
  const manifest = manifestOf(files);
  const start = manifest?.start === undefined ? undefined : program(manifest.start);
  const entry = entryOf(files, manifest?.main);
  if (entry === undefined) {
    if (start !== undefined) return sure(start);
    throw invalid(
      `nothing here can be started: no executable, no Procfile with "web:", and none of ${ENTRIES.join(', ')}; say how with --command`,
    );
  }
  const mayBeFunction = /\bhandle\b|module\.exports\s*=|export\s+default|export\s*\{/.test(
    textOf(files, entry) ?? '',
  );
  if (!mayBeFunction && start !== undefined) return sure(start);
  return { launch: { kind: 'function', entry }, otherwise: start };
}

const sure = (launch: ImageLaunch): Guess => ({ launch, otherwise: undefined });
const program = (start: string): ImageLaunch => ({ kind: 'program', command: ['sh', '-c', `exec ${start}`] });

type Manifest = {
  readonly main: string | undefined;
  readonly start: string | undefined;
  readonly type: string | undefined;
};

/** What a package.json says of how its folder starts; undefined when there is none. Throws PUSH_INVALID when it is broken. */
export function manifestOf(
  files: readonly BundleFile[],
  path: string = 'package.json',
): Manifest | undefined {
  const text = textOf(files, path);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    const read = (from: unknown, name: string): unknown => Reflect.get(Object(from), name);
    const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
    return {
      main: asText(read(parsed, 'main')),
      type: asText(read(parsed, 'type')),
      start: asText(read(read(parsed, 'scripts'), 'start')),
    };
  } catch (cause) {
    throw new PlatformError('PUSH_INVALID', `${path} is not JSON`, { retryable: false, cause });
  }
}

function entryOf(files: readonly BundleFile[], main: string | undefined): string | undefined {
  const paths = new Set(files.map(({ path }) => path));
  const named = main?.replace(/^\.\//, '');
  const candidates = named === undefined ? ENTRIES : [named, `${named}.js`, `${named}/index.js`, ...ENTRIES];
  return candidates.find((path) => paths.has(path));
}

function textOf(files: readonly BundleFile[], path: string): string | undefined {
  const found = files.find((file) => file.path === path);
  return found?.kind === 'file' ? found.content.toString() : undefined;
}
