import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** A third of the usual share: a refill takes little from whoever is being answered, and ends on a busy machine, too. */
const LOW = 5;
const USUAL = 0;
/** capabilities(7). */
const CAP_SYS_ADMIN = 21n;
const CAP_SYS_NICE = 23n;

/** Lowers the priority of processes for a while, where this process may also give it back; does nothing elsewhere. */
export class Priority {
  readonly #mayRaise: boolean;
  readonly #mayRaiseSession: boolean;

  constructor(capabilities: bigint = ownCapabilities()) {
    this.#mayRaise = has(capabilities, CAP_SYS_NICE);
    this.#mayRaiseSession = this.#mayRaise && has(capabilities, CAP_SYS_ADMIN);
  }

  lower(pid: number): void {
    this.#set(pid, LOW);
  }

  restore(pid: number): void {
    this.#set(pid, USUAL);
  }

  /** Of all its threads; and of its session, where the kernel weighs sessions against one another (sched(7), autogroup). */
  #set(pid: number, nice: number): void {
    if (!this.#mayRaise || pid <= 0) return;
    attempt(() => {
      for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), nice);
    });
    if (this.#mayRaiseSession) attempt(() => writeFileSync(`/proc/${pid}/autogroup`, String(nice)));
  }
}

const has = (capabilities: bigint, bit: bigint): boolean => ((capabilities >> bit) & 1n) === 1n;

function ownCapabilities(): bigint {
  try {
    const [, written = '0'] = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return BigInt(`0x${written}`);
  } catch {
    return 0n; // no Linux
  }
}

/** A process may end, and a kernel may have no sessions to weigh. */
function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // it goes on with the priority that it has
  }
}
