import type { Usage } from '../runtime/usage.ts';
import { decideHorizontal, type HorizontalPlan, type HorizontalState } from './horizontal.ts';

/** An instance whose use of CPU and memory may be asked for. */
export type Metered = {
  readonly id: string;
  /** Undefined: it cannot be told, or the instance is gone. */
  usage?(): Promise<Usage | undefined>;
};

/** As often as Kubernetes looks (horizontal-pod-autoscaler-sync-period). */
const EVERY_MS = 15_000;

type Read = { readonly atMs: number; readonly usage: Usage };

/** What the instances of one revision use, read every 15 s while somebody ticks, and what the class `hpa` makes of it. */
export class ResourceMeter {
  #state: HorizontalState = [];
  #before: ReadonlyMap<string, Read> = new Map();
  #fresh: readonly number[] | undefined;
  #mean: number | undefined;
  #dueMs = 0;
  #isReading = false;

  /** Reads when it is time; one reading at a time. */
  sample(plan: HorizontalPlan, instances: readonly Metered[], nowMs: number): void {
    if (this.#isReading || nowMs < this.#dueMs || instances.length === 0) return;
    this.#isReading = true;
    this.#dueMs = nowMs + EVERY_MS;
    void this.#read(plan, instances, nowMs).finally(() => (this.#isReading = false));
  }

  /** Cores or bytes of an instance, in the mean of those that were read last; undefined: none has been. */
  get mean(): number | undefined {
    return this.#mean;
  }

  /** How many instances there should be, where `current` are counted on; undefined: nothing new has been read. */
  decide(plan: HorizontalPlan, current: number, nowMs: number): number | undefined {
    const values = this.#fresh;
    if (values === undefined) return undefined;
    this.#fresh = undefined;
    const missing = Math.max(0, current - values.length);
    const decision = decideHorizontal(plan, this.#state, { values, missing, current, nowMs });
    this.#state = decision.state;
    return decision.scale;
  }

  async #read({ resource }: HorizontalPlan, instances: readonly Metered[], nowMs: number): Promise<void> {
    const reads = await Promise.all(
      instances.map(async (each) => [each.id, await each.usage?.().catch(() => undefined)] as const),
    );
    const now = new Map<string, Read>();
    for (const [id, usage] of reads) if (usage !== undefined) now.set(id, { atMs: nowMs, usage });
    const values = [...now].flatMap(([id, read]) =>
      resource === 'memory' ? [read.usage.memoryBytes] : coresBetween(this.#before.get(id), read),
    );
    this.#before = now;
    // CPU is a rate: a first reading of all says nothing yet.
    if (values.length === 0) return;
    this.#fresh = values;
    this.#mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  }
}

function coresBetween(before: Read | undefined, { atMs, usage }: Read): number[] {
  if (before === undefined || atMs <= before.atMs) return [];
  return [Math.max(0, usage.cpuSeconds - before.usage.cpuSeconds) / ((atMs - before.atMs) / 1000)];
}
