import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';
import type { MarkedRules } from './marked-rules.ts';

const run = promisify(execFile);
const found = (name: string): string | undefined =>
  ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
    .map((folder) => `${folder}/${name}`)
    .find((path) => existsSync(path));

/** Of the addresses inside: shared address space would be the providers', this is a corner of a private one. */
const NETWORK = '10.213.0.0/16';
/** This machine, as each network sees it: link-local, and on no other link. */
const GATEWAY = '169.254.213.1';
const TRIES = 5;
const TIMEOUT_MS = 5000;

export type UplinksOptions = {
  readonly rules: MarkedRules;
  /** What starts a command in the network of a process: nsenter with its flags, without `--target`. */
  readonly nsenter: readonly string[];
};

/**
 * Real traffic out of networks of their own: a pair of virtual devices for each, and one rule for all by which what goes out has
 * an address of this machine (NAT). Root alone can, and only on a machine that forwards already (net.ipv4.ip_forward): to turn
 * that on is not ours. Without, there is the HTTP proxy. Devices go with their network, rules by their mark (U1).
 */
export class Uplinks {
  readonly #options: UplinksOptions;
  readonly #ip = found('ip');
  #rules: Promise<boolean> | undefined;

  constructor(options: UplinksOptions) {
    this.#options = options;
  }

  /** Connects the network of a process, which ends with that; false: there is no way out but a proxy. */
  async connect(pid: number): Promise<boolean> {
    if (!(await (this.#rules ??= this.#open()))) return false;
    for (let i = 0; i < TRIES; i += 1) if (await this.#pair(pid)) return true;
    return false;
  }

  async #pair(pid: number): Promise<boolean> {
    const ip = this.#ip ?? 'ip';
    const device = `mr${pid}`;
    const address = `10.213.${randomInt(256)}.${randomInt(1, 255)}`;
    try {
      await run(ip, ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)]);
      const inside = [
        `${ip} addr add ${address}/32 dev eth0`,
        `${ip} link set eth0 up`,
        `${ip} route add ${GATEWAY} dev eth0 scope link`,
        `${ip} route add default via ${GATEWAY}`,
      ].join(' && ');
      const outside = [
        `${ip} addr add ${GATEWAY}/32 dev ${device}`,
        `${ip} link set ${device} up`,
        `${ip} route add ${address}/32 dev ${device}`, // fails where another network has it
      ].join(' && ');
      const [nsenter = 'nsenter', ...into] = this.#options.nsenter;
      await run('/bin/sh', ['-c', outside], { timeout: TIMEOUT_MS });
      await run(nsenter, [...into, `--target=${pid}`, '--', '/bin/sh', '-c', inside], {
        timeout: TIMEOUT_MS,
      });
      return true;
    } catch {
      await run(ip, ['link', 'del', device], { timeout: TIMEOUT_MS }).catch(() => undefined);
      return false;
    }
  }

  async #open(): Promise<boolean> {
    const { rules } = this.#options;
    if (this.#ip === undefined || !rules.arePossible || !forwards()) return false;
    try {
      const out = ['-s', NETWORK, '!', '-d', NETWORK, '!', '-o', 'lo'];
      await rules.add({ table: 'nat', chain: 'POSTROUTING' }, out, ['MASQUERADE']);
      const forward = { table: 'filter', chain: 'FORWARD' } as const;
      await rules.add(forward, ['-s', NETWORK], ['ACCEPT']);
      await rules.add(forward, ['-d', NETWORK, '-m', 'state', '--state', 'RELATED,ESTABLISHED'], ['ACCEPT']);
      return true;
    } catch {
      return false;
    }
  }
}

function forwards(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
