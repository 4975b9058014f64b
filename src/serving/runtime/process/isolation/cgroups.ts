import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Limits } from '../../container-spec.ts';
import type { Bind } from './mount-script.ts';

/** A group of processes with bounds of its own. */
export type Cgroup = {
  /** What its processes are to see of control groups: this one, where programs look for theirs. */
  readonly shown?: readonly Bind[];
  /** Puts a process in it, and with it what that starts from now on. */
  add(pid: number): void;
  /** Whether the kernel has ended one of its processes because the memory was used up. */
  wasOutOfMemory(): boolean;
  /** Once no process is left in it; nothing happens otherwise. */
  remove(): void;
};

export type CgroupOptions = {
  /** Where this machine has mounted them; another folder only in tests. */
  readonly root?: string;
  /** What /proc/self/cgroup says. */
  readonly own?: string;
  /** Names the folder of this run. */
  readonly name: string;
};

const PERIOD_US = 100_000;
const [SHARES_MIN, SHARES_MAX] = [2, 262_144];
const REMOVE_EVERY_MS = 200;
const REMOVE_TRIES = 25;
const PREFIX = 'millrace-';

/**
 * Bounds of memory and CPU by control groups, version 1 or 2, below the group that the platform itself is in (version 2:
 * beside it, where it must be). `why` tells why a bound cannot be set here.
 */
export class Cgroups {
  readonly #layout: Layout;
  readonly #name: string;
  readonly #why = new Map<'memory' | 'cpu', { readonly why: string | undefined }>();
  #count = 0;

  constructor({ root = '/sys/fs/cgroup', own = read('/proc/self/cgroup'), name }: CgroupOptions) {
    this.#layout = layoutOf(root, own);
    this.#name = PREFIX + name;
  }

  /** Why this resource cannot be bounded; undefined when it can. */
  why(resource: 'memory' | 'cpu'): string | undefined {
    const known = this.#why.get(resource) ?? { why: this.#findOut(resource) };
    this.#why.set(resource, known);
    return known.why;
  }

  #findOut(resource: 'memory' | 'cpu'): string | undefined {
    const folder = this.#layout[resource];
    if (folder === undefined) return `the kernel shows no ${resource} control group for the platform`;
    try {
      const trial = join(folder, `${this.#name}-trial`);
      mkdirSync(trial, { recursive: true });
      const file = join(trial, fileOf(resource, this.#layout.version));
      const isThere = existsSync(file);
      rmdirSync(trial);
      return isThere ? undefined : `the ${resource} controller is not handed on to ${folder}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** A group with these bounds; what cannot be bounded is left out. */
  open(limits: Limits): Cgroup {
    this.#count += 1;
    const name = `${this.#name}-${this.#count}`;
    const { version } = this.#layout;
    const folders = new Map<string, string>(); // to where the hierarchy is mounted
    const bound = (resource: 'memory' | 'cpu', value: string): void => {
      const parent = this.#layout[resource];
      if (parent === undefined) return;
      const folder = join(parent, name);
      mkdirSync(folder, { recursive: true });
      folders.set(folder, this.#layout.mounts[resource]);
      if (resource === 'cpu' && version === 1)
        attempt(() => writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US)));
      attempt(() => writeFileSync(join(folder, fileOf(resource, version)), value));
      // Swap would take what memory may not.
      if (resource === 'memory' && version === 1)
        attempt(() => writeFileSync(join(folder, 'memory.memsw.limit_in_bytes'), value));
      if (resource === 'memory' && version === 2)
        attempt(() => writeFileSync(join(folder, 'memory.swap.max'), '0'));
    };
    const share = (milliCpus: number): void => {
      const parent = this.#layout.cpu;
      if (parent === undefined) return;
      const folder = join(parent, name);
      mkdirSync(folder, { recursive: true });
      folders.set(folder, this.#layout.mounts.cpu);
      const shares = Math.min(SHARES_MAX, Math.max(SHARES_MIN, Math.floor((milliCpus * 1024) / 1000)));
      if (version === 1) attempt(() => writeFileSync(join(folder, 'cpu.shares'), String(shares)));
      else attempt(() => writeFileSync(join(folder, 'cpu.weight'), String(weightOf(shares))));
    };
    attempt(() => {
      if (limits.memoryBytes !== undefined) bound('memory', String(limits.memoryBytes));
    });
    attempt(() => {
      if (limits.milliCpus === undefined) return;
      const quotaUs = Math.max(1000, Math.round((limits.milliCpus * PERIOD_US) / 1000));
      bound('cpu', version === 1 ? String(quotaUs) : `${quotaUs} ${PERIOD_US}`);
    });
    attempt(() => {
      if (limits.milliCpusRequested !== undefined) share(limits.milliCpusRequested);
    });
    return cgroupOf(folders, version);
  }

  /** Removes what a killed run of that name has left here. */
  sweep(former: string): void {
    if (former === '') return;
    for (const folder of [this.#layout.memory, this.#layout.cpu]) {
      if (folder === undefined || !existsSync(folder)) continue;
      for (const name of attempt(() => readdirSync(folder), []))
        if (name.startsWith(`${PREFIX}${former}-`)) attempt(() => rmdirSync(join(folder, name)));
    }
  }
}

type Layout = {
  readonly version: 1 | 2;
  /** Where processes look for their own groups. */
  readonly mounts: { readonly memory: string; readonly cpu: string };
  readonly memory: string | undefined;
  readonly cpu: string | undefined;
};

/** Lines of /proc/self/cgroup: `4:memory:/path`, `1:cpu,cpuacct:/path`, and of version 2 `0::/path`. */
function layoutOf(root: string, own: string): Layout {
  const rows = own.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return controllers === undefined || path === undefined
      ? []
      : [{ controllers: controllers.split(','), path }];
  });
  const first = (resource: string): string | undefined => {
    const row = rows.find(({ controllers }) => controllers.includes(resource));
    if (row === undefined) return undefined;
    const mounts = [row.controllers.join(','), resource];
    // In a container the path is that of the host, and the mount begins below it.
    return mounts
      .flatMap((mount) => [join(root, mount, row.path), join(root, mount)])
      .find((folder) => existsSync(join(folder, 'cgroup.procs')));
  };
  const [memory, cpu] = [first('memory'), first('cpu')];
  const mounts = { memory: join(root, 'memory'), cpu: join(root, 'cpu') }; // the latter may be a link to `cpu,cpuacct`
  if (memory !== undefined || cpu !== undefined) return { version: 1, memory, cpu, mounts };
  const unified = rows.find(({ controllers }) => controllers.join('') === '')?.path ?? '/';
  const parent = [join(root, unified), join(root, unified, '..')].find(handsOn);
  return { version: 2, memory: parent, cpu: parent, mounts: { memory: root, cpu: root } };
}

/** Whether groups below this one of version 2 have both controllers; asked for, where that is allowed. */
function handsOn(folder: string): boolean {
  const file = join(folder, 'cgroup.subtree_control');
  if (!existsSync(file)) return false;
  const hasBoth = (): boolean => {
    const controllers = read(file).split(/\s+/);
    return controllers.includes('memory') && controllers.includes('cpu');
  };
  if (!hasBoth()) attempt(() => writeFileSync(file, '+memory +cpu'));
  return hasBoth();
}

function fileOf(resource: 'memory' | 'cpu', version: 1 | 2): string {
  if (resource === 'memory') return version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
  return version === 1 ? 'cpu.cfs_quota_us' : 'cpu.max';
}

/** Of version 2, for so many shares of version 1 (Kubernetes KEP-2254). */
function weightOf(shares: number): number {
  return Math.floor(((shares - 2) * 9999) / 262_142) + 1;
}

function cgroupOf(shownAt: ReadonlyMap<string, string>, version: 1 | 2): Cgroup {
  const folders = [...shownAt.keys()];
  return {
    shown: [...shownAt].flatMap(([source, path]) =>
      existsSync(path) ? [{ kind: 'bind', source, path: realpathSync(path), isReadOnly: true } as const] : [],
    ),
    add(pid) {
      for (const folder of folders) attempt(() => writeFileSync(join(folder, 'cgroup.procs'), String(pid)));
    },
    wasOutOfMemory() {
      const file = version === 1 ? 'memory.oom_control' : 'memory.events';
      return folders.some(
        (folder) => Number(/^oom_kill (\d+)/m.exec(read(join(folder, file)))?.[1] ?? 0) > 0,
      );
    },
    remove() {
      removeSoon(folders, REMOVE_TRIES);
    },
  };
}

/** What its processes have forked takes a moment to be gone. */
function removeSoon(folders: readonly string[], tries: number): void {
  for (const folder of folders) attempt(() => rmdirSync(folder));
  const left = folders.filter((folder) => existsSync(folder));
  if (left.length > 0 && tries > 0) setTimeout(() => removeSoon(left, tries - 1), REMOVE_EVERY_MS).unref();
}

function read(file: string): string {
  return attempt(() => readFileSync(file, 'utf8'), '');
}

/** What the kernel refuses here is told by `why`; it does not end a start. */
function attempt<T>(act: () => T, otherwise?: T): T {
  try {
    return act();
  } catch {
    return otherwise as T; // given wherever the value is used
  }
}
