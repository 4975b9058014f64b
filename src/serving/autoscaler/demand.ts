import type { ScalePlan } from '../plan.ts';
import { CALM, decideScale, type ScaleState } from './decide.ts';
import { Window } from './window.ts';

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
  #window: Window | undefined; // only while something is up: a revision at zero keeps no history
  #state: ScaleState = CALM;

  constructor(nowMs: number) {
    this.#idleSinceMs = nowMs;
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

  /** The idle time counts from here at the earliest: an instance came up. */
  touch(nowMs: number): void {
    this.#idleSinceMs = nowMs;
  }

  /** How long nothing has been asked; 0 while something is under way. */
  idleMs(nowMs: number): number {
    return this.#underWay > 0 ? 0 : nowMs - this.#idleSinceMs;
  }

  /** Records what was asked since the last sample. */
  sample({ metric, windowMs }: ScalePlan, nowMs: number): void {
    if (this.#window === undefined) this.#sampledAtMs = Math.max(this.#sampledAtMs, nowMs - 1000);
    this.#account(nowMs);
    const tookMs = Math.max(1, nowMs - this.#sampledAtMs);
    this.#window ??= new Window(windowMs);
    this.#window.record(
      (metric === 'rps' ? this.#begun * 1000 : this.#area) / tookMs,
      Math.round(tookMs / 1000),
    );
    this.#area = 0;
    this.#begun = 0;
    this.#sampledAtMs = nowMs;
  }

  /** How many instances there should be; undefined: nothing has been measured, so nothing is decided. */
  decide(scale: ScalePlan, ready: number, nowMs: number): number | undefined {
    const observed = {
      stable: this.#window?.mean(scale.windowMs, scale.algorithm),
      panic: this.#window?.mean(scale.panicWindowMs, scale.algorithm),
      ready,
      nowMs,
    };
    const decision = decideScale(scale, this.#state, observed);
    if (decision === undefined) return undefined;
    this.#state = decision.state;
    return decision.scale;
  }

  /** The revision is at zero, or its windows have changed: what was measured says nothing any more. */
  forget(): void {
    this.#window = undefined;
    this.#state = CALM;
  }

  #account(nowMs: number): void {
    this.#area += this.#underWay * (nowMs - this.#areaAtMs);
    this.#areaAtMs = nowMs;
  }
}
