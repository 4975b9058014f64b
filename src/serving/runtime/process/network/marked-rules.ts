import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IPTABLES = ['/usr/sbin/iptables', '/sbin/iptables', '/usr/bin/iptables'].find((path) =>
  existsSync(path),
);
const TIMEOUT_MS = 5000;
const WAIT = ['-w', '5']; // for whoever else is at it
const MARK = 'millrace-';

type Place = { readonly table: 'nat' | 'filter'; readonly chain: 'POSTROUTING' | 'FORWARD' | 'OUTPUT' };

const PLACES: readonly Place[] = [
  { table: 'nat', chain: 'POSTROUTING' },
  { table: 'nat', chain: 'OUTPUT' },
  { table: 'filter', chain: 'FORWARD' },
];

/**
 * What a run of the platform adds to the rules of the machine for its packets, by iptables and as root.
 *   U1  each rule carries the mark of its run; they are removed at the end, those of a killed run by whoever outlives it, or by
 *       the next.
 */
export class MarkedRules {
  readonly #token: string;
  readonly #former: string;
  readonly #atEnd: (command: string) => void;
  #isSwept = false;
  #hasAdded = false;

  /** `atEnd` is told what is to be run once the platform has gone, however it went. */
  constructor(token: string, former: string, atEnd: (command: string) => void = () => undefined) {
    this.#atEnd = atEnd;
    this.#token = token;
    this.#former = former;
  }

  get arePossible(): boolean {
    return IPTABLES !== undefined && process.getuid?.() === 0;
  }

  /** Rejects with what the kernel or iptables says when it cannot be. */
  async add({ table, chain }: Place, rule: readonly string[], target: readonly string[]): Promise<void> {
    if (!this.#isSwept && this.#former !== '') remove(this.#former);
    this.#isSwept = true;
    this.#hasAdded = true;
    const how = chain === 'FORWARD' ? '-I' : '-A'; // what a policy of the machine drops is not looked at again
    const mark = ['-m', 'comment', '--comment', MARK + this.#token];
    const all = [chain, ...rule, ...mark, '-j', ...target];
    const file = IPTABLES ?? 'iptables';
    this.#atEnd([file, ...WAIT, '-t', table, '-D', ...all].join(' '));
    await run(file, [...WAIT, '-t', table, how, ...all], { timeout: TIMEOUT_MS });
  }

  removeAll(): void {
    if (this.#hasAdded) remove(this.#token);
  }
}

function remove(token: string): void {
  for (const { table, chain } of PLACES) {
    try {
      const rules = iptables(table, ['-S', chain]).split('\n');
      for (const rule of rules.filter((each) => each.includes(MARK + token)))
        iptables(table, rule.replace(/^-A/, '-D').replaceAll('"', '').split(' '));
    } catch {
      // it cannot be said what is there, or it is gone
    }
  }
}

function iptables(table: Place['table'], args: readonly string[]): string {
  const options = { timeout: TIMEOUT_MS, stdio: 'pipe' } as const;
  return execFileSync(IPTABLES ?? 'iptables', [...WAIT, '-t', table, ...args], options).toString();
}
