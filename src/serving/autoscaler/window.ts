/** The last values of a metric, one for each second, and their means (serving pkg/autoscaler/aggregation/bucketing.go). */
export class Window {
  #values: number[] = []; // the newest last
  readonly #secondsMax: number;

  constructor(windowMs: number) {
    this.#secondsMax = Math.max(1, Math.round(windowMs / 1000));
  }

  /** A value that held for the last `seconds`: more than one when the ticker came late. */
  record(value: number, seconds = 1): void {
    const count = Math.min(Math.max(1, seconds), this.#secondsMax);
    for (let i = 0; i < count; i += 1) this.#values.push(value);
    if (this.#values.length > this.#secondsMax) this.#values = this.#values.slice(-this.#secondsMax);
  }

  /** Over the filled part of the last `windowMs`; undefined when nothing has been recorded. */
  mean(windowMs: number, algorithm: 'linear' | 'weighted-exponential'): number | undefined {
    const seconds = Math.max(1, Math.round(windowMs / 1000));
    const values = this.#values.slice(-seconds);
    if (values.length === 0) return undefined;
    return algorithm === 'linear'
      ? values.reduce((sum, value) => sum + value, 0) / values.length
      : weighted(values, seconds);
  }
}

/** The newer a value the more it counts; all weights together reach 99.99 % within the window. */
function weighted(values: readonly number[], seconds: number): number {
  const coefficient = Math.max(0.2, 1 - (1 - 0.9999) ** (1 / seconds));
  let [sum, weights, weight] = [0, 0, coefficient];
  for (const value of values.toReversed()) {
    sum += value * weight;
    weights += weight;
    weight *= 1 - coefficient;
  }
  return sum / weights;
}
