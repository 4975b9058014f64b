import type { Clock } from '../../base/clock.ts';
import type { Instance } from '../runtime/runtime.ts';
import type { InstanceUsage } from './usage-meter.ts';

type Running = { readonly key: string; readonly instance: Instance };
type Reading = { readonly atMs: number; readonly cpuSeconds: number; readonly shown: InstanceUsage };

/** What was read so lately is told again: a rate of CPU needs some time. */
const FRESH_MS = 2000;

/** What Pods that stand by themselves use now. They are read when somebody asks; nothing is kept of them. */
export class PodMeter {
  readonly #running: () => readonly Running[];
  readonly #clock: Clock;
  readonly #readings = new WeakMap<Instance, Reading>();

  constructor(running: () => readonly Running[], clock: Clock) {
    this.#running = running;
    this.#clock = clock;
  }

  async now(): Promise<readonly InstanceUsage[]> {
    const all = await Promise.all(this.#running().map((each) => this.#read(each)));
    return all.filter((each) => each !== undefined);
  }

  async #read({ key, instance }: Running): Promise<InstanceUsage | undefined> {
    const before = this.#readings.get(instance);
    const nowMs = this.#clock.nowMs();
    if (before !== undefined && nowMs - before.atMs < FRESH_MS) return before.shown;
    const usage = await instance.usage?.().catch(() => undefined);
    if (usage === undefined) return undefined; // it has ended meanwhile
    const { cpuSeconds, memoryBytes } = usage;
    const { atMs, cpuSeconds: counted } = before ?? { atMs: instance.startedMs, cpuSeconds: 0 };
    const seconds = Math.max(0.001, (nowMs - atMs) / 1000);
    const cores = Math.max(0, cpuSeconds - counted) / seconds;
    const id = key.slice(key.indexOf('/') + 1);
    const shown = { id, revision: key, cores, memoryBytes, atMs: nowMs };
    this.#readings.set(instance, { atMs: nowMs, cpuSeconds, shown });
    return shown;
  }
}
