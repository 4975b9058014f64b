import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../../../../base/within.ts';
import { Child, failed, failedBy } from '../child.ts';

export type SurroundingsOptions = {
  /** An empty folder, to mount on. */
  readonly folder: string;
  readonly token: string;
  readonly onSpawn: (child: Child) => void;
  /** What is to be seen in place of the machine's own; undefined: that. */
  readonly resolvConf: () => Promise<string | undefined>;
};

const UNSHARE = ['/usr/bin/unshare', '/bin/unshare'].find((path) => existsSync(path));
const UP_TIMEOUT_MS = 5000;
const FOR_EVER_S = 2_147_483_647;

/** What a container runtime shows of /proc and /sys, to be read and not written (OCI runtime-spec, readonlyPaths). */
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/**
 * What a program finds around it on this machine, as in a container (knative specs, runtime-contract.md): no /dev/console, the
 * settings of the kernel and its control groups to be read and not written. It is one mount namespace for all programs,
 * held by a process: to make it takes some 30 ms, to enter it one. Only root can, and only root could write them.
 */
export class Surroundings {
  readonly #options: SurroundingsOptions;
  #holder: Promise<Child | undefined> | undefined;
  #held: Child | undefined;

  constructor(options: SurroundingsOptions) {
    this.#options = options;
  }

  /** The process whose mount namespace it is; undefined where there can be none. */
  async pid(): Promise<number | undefined> {
    if (UNSHARE === undefined || process.getuid?.() !== 0) return undefined;
    const holder = await (this.#holder ??= this.#open());
    if (holder?.isGone !== true) return holder?.pid;
    this.#holder = undefined; // somebody has ended it
    return (await (this.#holder ??= this.#open()))?.pid;
  }

  isHeldBy(child: Child): boolean {
    return child === this.#held;
  }

  /** A machine that refuses some of it is as it was without: nobody has asked for it. */
  async #open(): Promise<Child | undefined> {
    const { folder, token, onSpawn, resolvConf } = this.#options;
    const names = await resolvConf();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const holder = new Child({
      command: ['sleep', String(FOR_EVER_S)],
      env: {},
      cwd: '/',
      hasIpc: false,
      token,
      wrapper: [UNSHARE ?? 'unshare', '--mount', '--', '/bin/sh', '-c', script(folder, names), 'sh'],
    });
    this.#held = holder;
    onSpawn(holder);
    const up = Promise.withResolvers<void>();
    holder.sendTo({ write: (_, stream) => (stream === 'stdout' ? up.resolve() : undefined) }, 'surroundings');
    void holder.ended.then((how) => up.reject(failedBy(how)));
    try {
      await within(UP_TIMEOUT_MS, up.promise, () => failed('ContainerCannotRun', 'no answer'));
      return holder;
    } catch {
      await holder.stop(0);
      return undefined;
    }
  }
}

function script(folder: string, resolvConf: string | undefined): string {
  const at = (name: string): string => quoted(join(folder, name));
  return [
    'set -e',
    `mount -t tmpfs -o mode=0755 millrace ${at('')}`,
    `mkdir ${at('u')} ${at('w')} ${at('held')}`,
    // What is mounted below /dev would be hidden by an overlay: it is held, and shown again.
    `n=0; held=; while read -r _ at _; do case "$at" in /dev/*)
  [ -d "$at" ] && { n=$((n+1)); mkdir ${at('held')}/$n; mount --bind "$at" ${at('held')}/$n; held="$held $at"; };; esac; done < /proc/self/mounts`,
    `mount -t overlay millrace -o lowerdir=/dev,upperdir=${at('u')},workdir=${at('w')} /dev`,
    'rm -f /dev/console',
    `n=0; for at in $held; do n=$((n+1)); mount --bind ${at('held')}/$n "$at"; done`,
    `for at in ${READ_ONLY.join(' ')}; do [ ! -e "$at" ] || { mount --bind "$at" "$at"; mount -o remount,bind,ro "$at"; }; done`,
    'while read -r _ at _; do case "$at" in /sys|/sys/*) mount -o remount,bind,ro "$at";; esac; done < /proc/self/mounts',
    ...(resolvConf === undefined ? [] : [`mount --bind ${quoted(resolvConf)} /etc/resolv.conf`]),
    'echo up',
    'exec "$@"',
  ].join('\n');
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
