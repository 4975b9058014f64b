import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

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
const MARK = 'millrace-';

export type UplinksOptions = {
  /** Names what this run adds to the machine. */
  readonly token: string;
  /** Of the run before, whose traces are removed. */
  readonly former: string;
  /** What starts a command in the network of a process: nsenter with its flags, without `--target`. */
  readonly nsenter: readonly string[];
};

/**
 * Real traffic out of networks of their own: a pair of virtual devices for each, and one rule for all by which what goes out has
 * an address of this machine (NAT). Root alone can, and only on a machine that forwards already (net.ipv4.ip_forward): to turn
 * that on is not ours. Without, there is the HTTP proxy.
 *   U1  it adds nothing to the machine but devices that go with their network, and rules that carry this run's mark; they
 *       are removed at the end, and those of a killed run at the start of the next.
 */
export class Uplinks {
  readonly #options: UplinksOptions;
  readonly #ip = found('ip');
  readonly #iptables = found('iptables');
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

  close(): void {
    if (this.#rules !== undefined) this.#sweep(this.#options.token);
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
    const { token, former } = this.#options;
    if (process.getuid?.() !== 0 || this.#ip === undefined || this.#iptables === undefined) return false;
    if (!forwards()) return false;
    if (former !== '') this.#sweep(former);
    const mark = ['-m', 'comment', '--comment', MARK + token];
    const add = (args: readonly string[]) =>
      run(this.#iptables ?? '', ['-w', '5', ...args], { timeout: TIMEOUT_MS });
    try {
      const out = ['-s', NETWORK, '!', '-d', NETWORK, '!', '-o', 'lo'];
      await add(['-t', 'nat', '-A', 'POSTROUTING', ...out, ...mark, '-j', 'MASQUERADE']);
      await add(['-I', 'FORWARD', '-s', NETWORK, ...mark, '-j', 'ACCEPT']);
      await add([
        '-I',
        'FORWARD',
        '-d',
        NETWORK,
        '-m',
        'state',
        '--state',
        'RELATED,ESTABLISHED',
        ...mark,
        '-j',
        'ACCEPT',
      ]);
      return true;
    } catch {
      this.#sweep(token);
      return false;
    }
  }

  /** U1 */
  #sweep(token: string): void {
    for (const [table, chain] of [
      ['nat', 'POSTROUTING'],
      ['filter', 'FORWARD'],
    ] as const) {
      const iptables = (args: readonly string[]): string =>
        execFileSync(this.#iptables ?? '', ['-w', '5', '-t', table, ...args], {
          timeout: TIMEOUT_MS,
          stdio: 'pipe',
        }).toString();
      try {
        const rules = iptables(['-S', chain]).split('\n');
        for (const rule of rules.filter((each) => each.includes(MARK + token)))
          iptables(rule.replace(/^-A/, '-D').replaceAll('"', '').split(' '));
      } catch {
        // it cannot be said what is there, or it is gone
      }
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
