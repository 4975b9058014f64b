import type { Clock } from '../../base/clock.ts';
import type { Instance, InstanceSpec, Runtime, Unmet } from '../runtime/runtime.ts';
import { PodLife, type PodPlan } from './pod-life.ts';

type Listener = (key: string) => void;

/** All Pods that stand by themselves, each by its plan. */
export class RunningPods {
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  readonly #lives = new Map<string, PodLife>();
  readonly #listeners: Listener[] = [];

  constructor({ runtime, clock }: { readonly runtime: Runtime; readonly clock: Clock }) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** Tells from now on of each Pod about which something is other than before. */
  onChange(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Begins to run it; of one that runs already only the contents of its volumes are new. */
  run(plan: PodPlan): void {
    const known = this.#lives.get(plan.key);
    if (known !== undefined) return known.refresh(plan.instance);
    const onChange = (key: string): void => this.#changed(key);
    this.#lives.set(plan.key, new PodLife(plan, { runtime: this.#runtime, clock: this.#clock, onChange }));
  }

  /** What of a Pod cannot be done here. */
  unmet(spec: InstanceSpec): readonly Unmet[] {
    return this.#runtime.unmet(spec);
  }

  lifeOf(key: string): PodLife | undefined {
    return this.#lives.get(key);
  }

  /** Those that run now. */
  running(): readonly { readonly key: string; readonly instance: Instance }[] {
    return [...this.#lives].flatMap(([key, { running }]) =>
      running === undefined ? [] : [{ key, instance: running }],
    );
  }

  /** It gets no new requests from now on; resolves when nothing of it runs any more. */
  async remove(key: string): Promise<void> {
    const life = this.#lives.get(key);
    this.#lives.delete(key);
    this.#changed(key);
    await life?.stop();
  }

  async close(graceMaxMs: number): Promise<void> {
    await Promise.all([...this.#lives.values()].map((life) => life.stop(graceMaxMs)));
  }

  #changed(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }
}
