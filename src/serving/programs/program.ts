import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { troubleAfter, type Trouble } from '../activator/trouble.ts';
import type { Ended, Instance, InstanceSpec, Runtime } from '../runtime/runtime.ts';

/** A program that is to stand by itself, asked by nobody: what a Deployment says. */
export type ProgramPlan = {
  readonly key: string; // namespace/name of its Deployment
  readonly instance: InstanceSpec;
  readonly replicas: number;
  /** Names instances; another one means other instances, the same one that those that run go on. */
  readonly generation: string;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** One that has run this long counts as available. */
  readonly availableAfterMs: number;
};

/** One instance as it stands now; it keeps its id, which is the name of its Pod, when it is started again. */
export type Standing = {
  readonly id: string;
  readonly generation: string;
  readonly state: 'starting' | 'running' | 'pausing' | 'stopping';
  readonly isAvailable: boolean;
  readonly restarts: number;
  readonly sinceMs: number; // in this state
  readonly trouble: Trouble | undefined; // the last time that it ended by itself
};

export type ProgramTools = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly nameInstance: (plan: ProgramPlan) => string;
  /** Something about an instance is other than before. */
  readonly onChange: (key: string) => void;
};

type Slot = { -readonly [Field in keyof Standing]: Standing[Field] } & {
  readonly plan: ProgramPlan;
  readonly stop: AbortController;
  life: Promise<void>;
};

/**
 * Keeps the instances of one program running.
 *   P1  there are as many as its plan says; one that ends, however it ends, is started again, at once the first time and
 *       after growing pauses of up to a minute then (activator/trouble.ts).
 *   P2  under another generation new instances are started first; the old ones stop once as many new ones are available.
 *   P3  close() stops all of them, and resolves when they are gone; twice is as good as once.
 */
export class Program {
  readonly #tools: ProgramTools;
  #plan: ProgramPlan;
  #slots: readonly Slot[] = [];
  #isClosed = false;
  #graceMaxMs = Number.POSITIVE_INFINITY;

  constructor(plan: ProgramPlan, tools: ProgramTools) {
    this.#plan = plan;
    this.#tools = tools;
    this.#adjust();
  }

  get standing(): readonly Standing[] {
    return this.#slots.map(({ plan: _plan, stop: _stop, life: _life, ...standing }) => standing);
  }

  set plan(plan: ProgramPlan) {
    this.#plan = plan;
    this.#adjust();
  }

  /** Has another instance take the place of this one. */
  replace(id: string): void {
    for (const slot of this.#slots) if (slot.id === id) this.#stop(slot);
    this.#adjust();
  }

  async close(graceMaxMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.#isClosed = true;
    this.#graceMaxMs = graceMaxMs;
    const lives = this.#slots.map(({ life }) => life);
    for (const slot of this.#slots) this.#stop(slot);
    await Promise.all(lives);
  }

  #adjust(): void {
    if (this.#isClosed) return;
    const { replicas, generation } = this.#plan;
    const wanted = this.#slots.filter((slot) => slot.state !== 'stopping' && slot.generation === generation);
    for (const slot of wanted.slice(replicas)) this.#stop(slot);
    for (let count = wanted.length; count < replicas; count += 1) this.#add();
    const available = wanted.filter(({ isAvailable }) => isAvailable).length;
    if (available < replicas) return; // P2
    for (const slot of this.#slots) if (slot.generation !== generation) this.#stop(slot);
  }

  #add(): void {
    const slot: Slot = {
      id: this.#tools.nameInstance(this.#plan),
      generation: this.#plan.generation,
      state: 'starting',
      isAvailable: false,
      restarts: 0,
      sinceMs: this.#tools.clock.nowMs(),
      trouble: undefined,
      plan: this.#plan,
      stop: new AbortController(),
      life: Promise.resolve(),
    };
    this.#slots = [...this.#slots, slot];
    slot.life = this.#live(slot);
  }

  #stop(slot: Slot): void {
    if (slot.stop.signal.aborted) return;
    this.#set(slot, 'stopping');
    slot.stop.abort();
  }

  async #live(slot: Slot): Promise<void> {
    const { clock } = this.#tools;
    const { signal } = slot.stop;
    while (!signal.aborted) {
      this.#set(slot, 'starting');
      await this.#runOnce(slot);
      if (signal.aborted) break;
      slot.restarts += 1;
      this.#set(slot, 'pausing');
      await clock.until(slot.trouble?.untilMs ?? 0, signal); // P1
    }
    this.#slots = this.#slots.filter((each) => each !== slot);
    this.#tools.onChange(this.#plan.key);
  }

  async #runOnce(slot: Slot): Promise<void> {
    const { runtime, clock } = this.#tools;
    try {
      const instance = await runtime.start(slot.plan.instance, slot.id);
      const readyMs = clock.nowMs();
      if (!slot.stop.signal.aborted) this.#set(slot, 'running');
      const ended = await this.#untilEnded(slot, instance);
      const code = ended.signal ?? `ExitCode${ended.exitCode ?? 0}`;
      this.#failed(slot, { kind: 'crash', code, reason: ended.reason, livedMs: clock.nowMs() - readyMs });
    } catch (error) {
      const code = error instanceof PlatformError ? error.code : 'StartFailed';
      this.#failed(slot, { kind: 'start', code, reason: messageOf(error) });
    }
  }

  async #untilEnded(slot: Slot, instance: Instance): Promise<Ended> {
    const { clock } = this.#tools;
    const { signal } = slot.stop;
    const over = new AbortController();
    const stop = (): void => void instance.stop(Math.min(slot.plan.graceMs, this.#graceMaxMs));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const waiting = AbortSignal.any([signal, over.signal]);
    void clock.until(clock.nowMs() + slot.plan.availableAfterMs, waiting).then(() => {
      if (waiting.aborted) return;
      slot.isAvailable = true;
      this.#tools.onChange(this.#plan.key);
      this.#adjust(); // P2
    });
    const ended = await instance.ended;
    over.abort();
    signal.removeEventListener('abort', stop);
    return ended;
  }

  #failed(slot: Slot, failure: Parameters<typeof troubleAfter>[1]): void {
    slot.isAvailable = false;
    slot.trouble = troubleAfter(slot.trouble, failure, this.#tools.clock.nowMs());
  }

  #set(slot: Slot, state: Slot['state']): void {
    slot.state = state;
    slot.sinceMs = this.#tools.clock.nowMs();
    this.#tools.onChange(this.#plan.key);
  }
}
