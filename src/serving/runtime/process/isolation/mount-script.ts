import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Something that is to be seen at a path. */
export type Bind =
  | { readonly kind: 'bind'; readonly source: string; readonly path: string; readonly isReadOnly: boolean }
  | { readonly kind: 'tmpfs'; readonly path: string; readonly bytesMax: number | undefined };

/**
 * A shell script, for a mount namespace of its own, that makes `binds` be seen and then runs "$@" in `cwd`. Nothing of the
 * real file system is changed: where a path is not there, its nearest folder gets an overlay, and the root a copy of
 * itself made of binds. `reach` are paths that a user without rights is to get to: folders on the way that let nobody
 * through are opened in an overlay. `base` is an empty folder.
 */
export function mountScript(
  base: string,
  binds: readonly Bind[],
  reach: readonly string[],
  cwd: string,
): string {
  const closed = [...new Set(reach.flatMap(closedOnTheWay))];
  const missing = binds.filter(({ path }) => !isThere(path));
  const homes = missing.map(({ path }) => nearest(path));
  const needsRoot = homes.includes('/');
  const overlays = outermost([...homes.filter((home) => home !== '/'), ...closed]);
  const root = needsRoot ? `${base}/root` : '';
  const at = (path: string): string => quoted(root + path);
  return [
    'set -e',
    `mount -t tmpfs -o mode=0755 millrace ${quoted(base)}`,
    ...binds.flatMap((bind, i) => (bind.kind === 'bind' ? staged(`${base}/v${i}`, bind.source) : [])),
    ...(needsRoot ? rootOfBinds(base) : []),
    `exec 9< ${quoted(base)}`,
    ...overlays.flatMap((folder, i) => overlay(`${base}/o${i}`, folder, root)),
    // For its group as well: who has no other group than root's is that.
    ...closed.map((folder) => `chmod ${reach.includes(folder) ? 'a+rx' : 'a+x'} ${at(folder)}`),
    ...binds.flatMap((bind, i) => shown(bind, `${base}/v${i}`, at(bind.path))),
    'exec 9<&-',
    root === ''
      ? `cd ${quoted(cwd)}\nexec "$@"`
      : `exec chroot ${quoted(root)} /bin/sh -c 'cd "$0" && exec "$@"' ${quoted(cwd)} "$@"`,
  ].join('\n');
}

/** Held before anything hides it. */
function staged(at: string, source: string): readonly string[] {
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return [`${isFolder ? 'mkdir' : 'touch'} ${quoted(at)}`, `mount --bind ${quoted(source)} ${quoted(at)}`];
}

function shown(bind: Bind, staging: string, at: string): readonly string[] {
  if (bind.kind === 'tmpfs') {
    const size = bind.bytesMax === undefined ? '' : `,size=${bind.bytesMax}`;
    return [`mkdir -p ${at}`, `mount -t tmpfs -o mode=1777${size} millrace ${at}`];
  }
  const isFolder = statSync(bind.source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const make = isFolder ? `mkdir -p ${at}` : `[ -e ${at} ] || { mkdir -p "$(dirname ${at})"; touch ${at}; }`;
  return [
    make,
    `mount --bind ${quoted(staging)} ${at}`,
    ...(bind.isReadOnly ? [`mount -o remount,bind,ro ${at}`] : []),
  ];
}

/** A root whose entries are those of the real one, so that others can be made beside them. */
function rootOfBinds(base: string): readonly string[] {
  return [
    `r=${quoted(`${base}/root`)}; mkdir "$r"`,
    `for e in /* /.[!.]*; do
  if [ -L "$e" ]; then cp -d "$e" "$r$e"
  elif [ -d "$e" ]; then mkdir "$r$e"; mount --rbind "$e" "$r$e"
  elif [ -e "$e" ]; then touch "$r$e"; mount --bind "$e" "$r$e"; fi
done`,
  ];
}

/** An overlay hides what is mounted below it; that is held and shown again, `base` itself by its open descriptor. */
function overlay(own: string, folder: string, root: string): readonly string[] {
  const at = quoted(root + folder);
  const below = mountPoints().filter(
    (point) => point.startsWith(`${folder}/`) && !point.startsWith(root === '' ? own : root),
  );
  const held = outermost(below).filter((point) => point !== dirname(own));
  return [
    `mkdir ${quoted(own)} ${quoted(`${own}/u`)} ${quoted(`${own}/w`)}`,
    `chmod --reference=${at} ${quoted(`${own}/u`)}`,
    ...held.flatMap((point, i) => {
      const isFolder = statSync(point, { throwIfNoEntry: false })?.isDirectory() ?? false;
      return [
        `${isFolder ? 'mkdir' : 'touch'} ${quoted(`${own}/h${i}`)}`,
        `mount --rbind ${quoted(root + point)} ${quoted(`${own}/h${i}`)}`,
      ];
    }),
    `mount -t overlay millrace -o ${quoted(`lowerdir=${root}${folder},upperdir=${own}/u,workdir=${own}/w`)}"$OVERLAY" ${at}`,
    ...(root === '' && dirname(own).startsWith(`${folder}/`)
      ? [`mount --no-canonicalize --rbind /proc/self/fd/9 ${quoted(dirname(own))}`]
      : []),
    ...held.map((point, i) => `mount --rbind ${quoted(`${own}/h${i}`)} ${quoted(root + point)}`),
  ];
}

function mountPoints(): readonly string[] {
  try {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ')[1] ?? [])
      .map((point) =>
        point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
      );
  } catch {
    return [];
  }
}

/** The folders on the way to a path that let nobody but their owner through. */
function closedOnTheWay(path: string): readonly string[] {
  const closed: string[] = [];
  for (let folder = path; folder !== '/' && folder !== '.'; folder = dirname(folder)) {
    const stat = statSync(folder, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true && (stat.mode & 0o001) === 0) closed.push(folder);
  }
  return closed;
}

/** Those that are below none of the others. */
function outermost(paths: readonly string[]): readonly string[] {
  const all = [...new Set(paths)];
  return all.filter((path) => !all.some((other) => path !== other && path.startsWith(`${other}/`)));
}

function nearest(path: string): string {
  let folder = dirname(path);
  while (!isThere(folder)) folder = dirname(folder);
  return folder;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
