import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import type { User } from '../../container-spec.ts';
import { mountScript, type Bind } from './mount-script.ts';

/** How a process gets a view of the file system of its own: as root, in a user namespace, or not at all. */
export type Way =
  | { readonly kind: 'root' }
  | { readonly kind: 'user' }
  | { readonly kind: 'none'; readonly why: string };

export type View = {
  readonly binds: readonly Bind[];
  readonly user: User;
  /** What its user has to get to: image, program, working directory. */
  readonly reach: () => readonly string[];
  readonly cwd: string;
  /** A process whose mounts it begins with (surroundings.ts); absent: those of the platform. */
  readonly around?: number | undefined;
};

const found = (...paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));
const UNSHARE = found('/usr/bin/unshare', '/bin/unshare');
const SETPRIV = found('/usr/bin/setpriv', '/bin/setpriv');
const NSENTER = found('/usr/bin/nsenter', '/bin/nsenter');
const TRIAL_TIMEOUT_MS = 5000;

/** Starts processes in mount namespaces of their own, and as other users; and finds out once whether that is allowed. */
export class Namespaces {
  /** An empty folder that each namespace mounts its own things on. */
  readonly #base: string;
  #way: Way | undefined;

  constructor(base: string) {
    this.#base = base;
  }

  get way(): Way {
    return (this.#way ??= this.#findOut());
  }

  /** Why a process cannot run as that user; undefined when it can. */
  whyNot({ uid, gid }: User): string | undefined {
    const [ownUid, ownGid] = [process.getuid?.(), process.getgid?.()];
    const isOwn = (uid === undefined || uid === ownUid) && (gid === undefined || gid === ownGid);
    if (isOwn) return undefined;
    if (ownUid !== 0) return 'only root can start a process as another user';
    if (SETPRIV === undefined) return 'setpriv, of util-linux, is not there';
    return this.way.kind === 'root' || (uid ?? 0) === 0 ? undefined : this.#why;
  }

  /** What to put before a command, so that it sees `view`. */
  wrap({ binds, user, reach, cwd, around }: View): readonly string[] {
    const asUser = switchTo(user);
    const isPlain = binds.length === 0 && asUser.length === 0;
    if (isPlain && around === undefined) return [];
    const into = around === undefined ? [] : [NSENTER ?? 'nsenter', `--target=${around}`, '--mount'];
    if (isPlain) return [...into, `--wdns=${cwd}`, '--'];
    const { kind } = this.way;
    const names = kind === 'user' ? ['--user', '--map-root-user', '--mount'] : ['--mount'];
    const script = mountScript(this.#base, binds, asUser.length === 0 ? [] : reach(), cwd);
    const overlay = kind === 'user' ? 'OVERLAY=,userxattr' : 'OVERLAY=';
    const enter = into.length === 0 ? [] : [...into, '--'];
    const own = [UNSHARE ?? 'unshare', ...names, '--', '/bin/sh', '-c', `${overlay}\n${script}`, 'sh'];
    return [...enter, ...own, ...asUser];
  }

  /** What to put before a command, so that it runs where a process of ours runs. */
  enter(pid: number, { binds, user, cwd, around }: View): readonly string[] {
    const asUser = switchTo(user);
    if (binds.length === 0 && asUser.length === 0 && around === undefined) return [];
    const into = this.way.kind === 'user' ? ['--user', '--preserve-credentials'] : [];
    const where = ['--mount', '--root', `--wdns=${cwd}`];
    return [NSENTER ?? 'nsenter', `--target=${pid}`, ...into, ...where, '--', ...asUser];
  }

  get #why(): string {
    return this.way.kind === 'none' ? this.way.why : '';
  }

  #findOut(): Way {
    if (UNSHARE === undefined || NSENTER === undefined)
      return { kind: 'none', why: 'unshare and nsenter, of util-linux, are not there' };
    mkdirSync(this.#base, { recursive: true, mode: 0o700 });
    const tries: readonly (readonly [Way['kind'], readonly string[]])[] =
      process.getuid?.() === 0
        ? [['root', ['--mount']]]
        : [['user', ['--user', '--map-root-user', '--mount']]];
    let why = '';
    for (const [kind, names] of tries) {
      const trial = ['mount', '-t', 'tmpfs', 'millrace', this.#base];
      const { status, stderr } = spawnSync(UNSHARE, [...names, '--', ...trial], {
        timeout: TRIAL_TIMEOUT_MS,
      });
      if (status === 0 && kind !== 'none') return { kind };
      why = stderr.toString().trim().split('\n')[0] ?? '';
    }
    return { kind: 'none', why };
  }
}

function switchTo({ uid, gid }: User): readonly string[] {
  if (uid === undefined && gid === undefined) return [];
  const isOwn = (id: number | undefined, own: number | undefined): boolean => id === undefined || id === own;
  if (isOwn(uid, process.getuid?.()) && isOwn(gid, process.getgid?.())) return [];
  const [u, g] = [uid ?? process.getuid?.() ?? 0, gid ?? 0];
  return [SETPRIV ?? 'setpriv', `--reuid=${u}`, `--regid=${g}`, '--clear-groups', '--'];
}
