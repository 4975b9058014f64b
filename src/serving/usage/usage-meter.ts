import type { InstanceEvent } from '../activator/pool-tools.ts';
import type { Usage } from '../runtime/usage.ts';
import type { Consumer, UsageLedger } from './ledger.ts';

const GIB = 1024 ** 3;

type Metered = {
  readonly revision: string; // namespace/name
  readonly usage: (() => Promise<Usage | undefined>) | undefined;
  /** Until when its time is in the ledger. */
  atMs: number;
  last: Usage | undefined;
  cores: number;
};

/** What one instance uses now, as it was read last. */
export type InstanceUsage = {
  readonly id: string;
  readonly revision: string; // namespace/name; of a Pod that stands by itself, its own
  readonly cores: number;
  readonly memoryBytes: number;
  readonly atMs: number;
};

/**
 * Follows instances, and writes into the ledger what they use. An instance is read whenever read() is called and when it
 * begins to drain; what it uses of CPU after its last reading is not known, so it is not counted.
 */
export class UsageMeter {
  readonly #ledger: UsageLedger;
  readonly #consumerOf: (revision: string) => Consumer;
  readonly #instances = new Map<string, Metered>();

  constructor(ledger: UsageLedger, consumerOf: (revision: string) => Consumer) {
    this.#ledger = ledger;
    this.#consumerOf = consumerOf;
  }

  /** How many instances there are to be read. */
  get size(): number {
    return this.#instances.size;
  }

  /** As of the last readings. */
  latest(): readonly InstanceUsage[] {
    return [...this.#instances].flatMap(([id, { revision, last, cores, atMs }]) =>
      last === undefined ? [] : [{ id, revision, cores, memoryBytes: last.memoryBytes, atMs }],
    );
  }

  request(revision: string, atMs: number): void {
    this.#ledger.add(this.#consumerOf(revision), { requests: 1 }, atMs);
  }

  observe(event: InstanceEvent): void {
    const { id, revision, atMs } = event;
    const known = this.#instances.get(id);
    switch (event.kind) {
      case 'starting':
        if (known === undefined)
          this.#instances.set(id, { revision, usage: undefined, atMs, last: undefined, cores: 0 });
        return;
      case 'ready': {
        const { instance } = event;
        const usage = instance.usage === undefined ? undefined : () => instance.usage?.() ?? none();
        this.#instances.set(id, { revision, usage, atMs: known?.atMs ?? atMs, last: known?.last, cores: 0 });
        return;
      }
      case 'draining':
        if (known !== undefined) void this.#readOne(known, () => atMs);
        return;
      case 'failed':
      case 'ended':
      case 'gone':
        this.#instances.delete(id);
        if (known !== undefined) this.#countTime(known, atMs, 0);
        return;
      default:
    }
  }

  /** Reads all instances; never throws: what cannot be read is counted with its time alone. */
  async read(now: () => number): Promise<void> {
    await Promise.all([...this.#instances.values()].map((each) => this.#readOne(each, now)));
  }

  async #readOne(metered: Metered, now: () => number): Promise<void> {
    const usage = await metered.usage?.().catch(() => undefined);
    const [nowMs, before] = [now(), metered.last];
    if (nowMs <= metered.atMs) return; // it has ended meanwhile, or was read by somebody else
    const cpuSeconds = usage === undefined ? 0 : Math.max(0, usage.cpuSeconds - (before?.cpuSeconds ?? 0));
    const seconds = (nowMs - metered.atMs) / 1000;
    metered.last = usage ?? before;
    metered.cores = cpuSeconds / seconds;
    this.#countTime(metered, nowMs, cpuSeconds);
  }

  /** Its memory is taken for what it was when it was read last. */
  #countTime(metered: Metered, nowMs: number, cpuSeconds: number): void {
    const seconds = Math.max(0, nowMs - metered.atMs) / 1000;
    metered.atMs = Math.max(metered.atMs, nowMs);
    const gibSeconds = ((metered.last?.memoryBytes ?? 0) / GIB) * seconds;
    this.#ledger.add(
      this.#consumerOf(metered.revision),
      { instanceSeconds: seconds, cpuSeconds, gibSeconds },
      nowMs,
    );
  }
}

const none = (): Promise<undefined> => Promise.resolve(undefined);
