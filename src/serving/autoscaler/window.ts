/** Of all weights together, so much falls before the window; and the newest value never counts less than a fifth. */
const WEIGHT_BEFORE = 0.0001;
const COEFFICIENT_MIN = 0.2;
const DIGITS = 1e6;

/** The last values of a metric, one for each second, and their means (serving pkg/autoscaler/aggregation/bucketing.go). */
export class Window {
  #ring: Float64Array;
  #count = 0; // values in the ring
  #next = 0; // where the next goes

  constructor(windowMs: number) {
    this.#ring = new Float64Array(secondsIn(windowMs));
  }

  get windowMs(): number {
    return this.#ring.length * 1000;
  }

  /** A value that held for the last `seconds`: more than one when the ticker came late. */
  record(value: number, seconds = 1): void {
    const times = Math.min(Math.max(1, seconds), this.#ring.length);
    for (let i = 0; i < times; i += 1) {
      this.#ring[this.#next] = value;
      this.#next = (this.#next + 1) % this.#ring.length;
      this.#count = Math.min(this.#count + 1, this.#ring.length);
    }
  }

  /** Another length; the newest values stay. */
  resize(windowMs: number): void {
    const seconds = secondsIn(windowMs);
    const kept = Array.from({ length: Math.min(this.#count, seconds) }, (_, age) => this.#at(age));
    this.#ring = new Float64Array(seconds);
    [this.#count, this.#next] = [0, 0];
    for (const value of kept.toReversed()) this.record(value);
  }

  /** Over the filled part of the last `windowMs`; undefined when nothing has been recorded. */
  mean(windowMs: number, algorithm: 'linear' | 'weighted-exponential'): number | undefined {
    const seconds = secondsIn(windowMs);
    const filled = Math.min(this.#count, seconds);
    if (filled === 0) return undefined;
    return algorithm === 'linear' ? this.#plainMean(filled) : this.#weightedMean(filled, seconds);
  }

  /** The value that is so many seconds old. */
  #at(age: number): number {
    const { length } = this.#ring;
    return this.#ring[(this.#next - 1 - age + length) % length] ?? 0;
  }

  /** Rounded to six digits, so that what is left of a sum of fractions counts as none. */
  #plainMean(filled: number): number {
    let sum = 0;
    for (let age = 0; age < filled; age += 1) sum += this.#at(age);
    return Math.round((sum / filled) * DIGITS) / DIGITS;
  }

  /** The newer a value the more it counts. Seconds not filled yet count as nothing: it starts low, as upstream's does. */
  #weightedMean(filled: number, seconds: number): number {
    const coefficient = Math.max(COEFFICIENT_MIN, 1 - WEIGHT_BEFORE ** (1 / seconds));
    let [sum, weight] = [0, coefficient];
    for (let age = 0; age < filled; age += 1) {
      sum += this.#at(age) * weight;
      weight *= 1 - coefficient;
    }
    return sum;
  }
}

const secondsIn = (windowMs: number): number => Math.max(1, Math.ceil(windowMs / 1000));
