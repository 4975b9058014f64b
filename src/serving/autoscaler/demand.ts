import type { ScalePlan } from '../plan.ts';
import { decideScale, initialState, type ScaleState } from './decide.ts';
import { ResourceMeter, type Metered } from './resource-meter.ts';
import { Window } from './window.ts';

/** What the last decision saw and made of it, for whoever looks inside. */
export type Reading = {
  readonly stable: number;
  readonly panic: number;
  readonly isPanicking: boolean;
  /** Burst capacity beyond what is to be kept; below 0: too little. */
  readonly excess: number;
};

/** Instances: those that answer, and those that are counted on, which may be starting. */
export type Counted = { readonly ready: number; readonly standing: number };

/**
 * What is asked of one revision, measured second by second, and how many instances the autoscaler makes of it. Counts
 * requests that wait as well as those in flight, as upstream's activator reports both. Holds no timer: its owner ticks.
 */
export class Demand {
  #underWay = 0;
  #begun = 0; // since the last sample
  #area = 0; // request-milliseconds since the last sample
  #areaAtMs = 0;
  #sampledAtMs = 0;
  #idleSinceMs: number;
  // Only while something is up: a revision at zero keeps no history.
  #window: Window | undefined;
  #meter: ResourceMeter | undefined;
  #state: ScaleState | undefined;
  #reading: Reading | undefined;

  constructor(nowMs: number) {
    this.#idleSinceMs = nowMs;
    this.#state = initialState(0, nowMs);
  }

  /** Of the class `kpa`; undefined before its first decision. */
  get reading(): Reading | undefined {
    return this.#reading;
  }

  /** Whether the burst that is to find room would, by the last decision. */
  get hasRoom(): boolean {
    return (this.#reading?.excess ?? -1) >= 0;
  }

  begin(nowMs: number): void {
    this.#account(nowMs);
    this.#underWay += 1;
    this.#begun += 1;
  }

  end(nowMs: number): void {
    this.#account(nowMs);
    this.#underWay -= 1;
    this.#idleSinceMs = nowMs;
  }

  /** What an instance uses of its resource, as class `hpa` read it last. */
  get used(): number | undefined {
    return this.#meter?.mean;
  }

  /** The idle time counts from here at the earliest: an instance came up. */
  touch(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** How long nothing has been asked; 0 while something is under way. */
  idleMs(nowMs: number): number {
    return this.#underWay > 0 ? 0 : nowMs - this.#idleSinceMs;
  }

  /** Records what was asked since the last sample; `instances` are those that are ready, asked for by class `hpa` only. */
  sample(plan: ScalePlan, nowMs: number, instances: () => readonly Metered[] = () => []): void {
    const { scaler } = plan;
    if (scaler.kind === 'hpa') {
      this.#meter ??= new ResourceMeter();
      this.#meter.sample(scaler.plan, instances(), nowMs);
    }
    if (scaler.kind === 'kpa') this.#sampleRequests(plan, nowMs);
    else this.#forgetRequests();
  }

  /** How many instances there should be; undefined: nothing has been measured, so nothing is decided. */
  decide(scale: ScalePlan, { ready, standing }: Counted, nowMs: number): number | undefined {
    const { scaler } = scale;
    if (scaler.kind === 'hpa') return this.#meter?.decide(scaler.plan, standing, nowMs);
    if (scaler.kind === 'held') return scale.minScale;
    const stable = this.#window?.mean(scale.windowMs, scale.algorithm);
    const panic = this.#window?.mean(scale.panicWindowMs, scale.algorithm);
    this.#state ??= initialState(ready, nowMs);
    const decision = decideScale(scale, this.#state, { stable, panic, ready, nowMs });
    if (decision === undefined || stable === undefined || panic === undefined) return undefined;
    const { state, excess } = decision;
    this.#state = state;
    this.#reading = { stable, panic, isPanicking: state.panicSinceMs !== undefined, excess };
    return decision.scale;
  }

  /** The revision is at zero: what was measured says nothing any more. */
  forget(): void {
    this.#forgetRequests();
    this.#meter = undefined;
    this.#state = initialState(0, 0);
  }

  #sampleRequests({ metric, windowMs }: ScalePlan, nowMs: number): void {
    if (this.#window === undefined) this.#sampledAtMs = Math.max(this.#sampledAtMs, nowMs - 1000);
    this.#account(nowMs);
    const tookMs = Math.max(1, nowMs - this.#sampledAtMs);
    this.#window ??= new Window(windowMs);
    if (this.#window.windowMs !== windowMs) this.#window.resize(windowMs);
    const value = (metric === 'rps' ? this.#begun * 1000 : this.#area) / tookMs;
    this.#window.record(value, Math.round(tookMs / 1000));
    this.#area = 0;
    this.#begun = 0;
    this.#sampledAtMs = nowMs;
  }

  /** Another class decides now; when this one does again, it begins anew. */
  #forgetRequests(): void {
    this.#window = undefined;
    this.#state = undefined;
    this.#reading = undefined;
  }

  #account(nowMs: number): void {
    this.#area += this.#underWay * (nowMs - this.#areaAtMs);
    this.#areaAtMs = nowMs;
  }
}
