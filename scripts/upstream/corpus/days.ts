import { Random } from './random.ts';

/** Traffic, second by second, on a revision that is scaled by these annotations and this config-autoscaler. */
export type Day = {
  readonly annotations: Readonly<Record<string, string>>;
  readonly containerConcurrency: number;
  readonly config: Readonly<Record<string, string>>;
  readonly isUnreachable: boolean;
  readonly ready: number; // at the start
  readonly startupSeconds: number;
  readonly loads: readonly number[];
};
type Shape = (second: number, peak: number, random: Random) => number;

const SHAPES: readonly Shape[] = [
  (second, peak) => Math.max(0, Math.round(peak * Math.sin(second / 40))), // a ramp up and down, and a night
  (second, peak) => (second % 90 < 8 ? peak * 4 : Math.round(peak / 10)), // bursts
  (second, peak) => Math.floor(((second % 60) / 60) * peak), // a sawtooth
  (second, peak) => (second === 5 || second === 150 ? peak : 0), // hardly anything
  (_, peak, random) => random.below(peak + 1), // noise
  (second, peak, random) => (random.chance(0.2) ? peak : second % 2), // now and then
  (second, peak) => (second < 100 ? peak : 0), // until it stops
];

/** Each in its own way. */
export function days(seed: number, count: number): readonly Day[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const shape = random.pick(SHAPES);
    const peak = random.pick([1, 3, 10, 40, 150, 600]);
    const seconds = random.between(120, 260);
    return {
      annotations: annotationsOf(random),
      containerConcurrency: random.pick([0, 0, 0, 1, 10, 50]),
      config: configOf(random),
      isUnreachable: random.chance(0.1),
      ready: random.pick([0, 0, 0, 1, 1, 5]),
      startupSeconds: random.pick([0, 1, 3, 10, 25]),
      loads: Array.from({ length: seconds }, (_, second) => shape(second, peak, random)),
    };
  });
}

function annotationsOf(random: Random): Record<string, string> {
  const choices: readonly (readonly [string, number, readonly string[]])[] = [
    ['metric', 0.25, ['rps', 'concurrency']],
    ['metric-aggregation-algorithm', 0.4, ['weighted-exponential', 'weightedExponential', 'linear']],
    ['target', 0.5, ['1', '3', '10', '42.5', '0.5', '200']],
    ['target-utilization-percentage', 0.3, ['1', '50', '70', '99.5', '100']],
    ['window', 0.4, ['6s', '7s', '15s', '30s', '1m', '2m', '1h']],
    ['panic-window-percentage', 0.3, ['1', '10', '25', '33.3', '100']],
    ['panic-threshold-percentage', 0.3, ['110', '150', '200', '1000']],
    ['scale-down-delay', 0.3, ['0s', '1s', '2s', '5s', '10s', '30s', '1m', '15m']],
    ['min-scale', 0.2, ['0', '1', '3']],
    ['max-scale', 0.25, ['0', '1', '5', '20']],
    ['activation-scale', 0.2, ['2', '4']],
    ['initial-scale', 0.2, ['0', '1', '3']],
    ['target-burst-capacity', 0.4, ['-1', '0', '5', '100.5', '211']],
  ];
  return Object.fromEntries(
    choices
      .filter(([, share]) => random.chance(share))
      .map(([name, , values]) => [`autoscaling.knative.dev/${name}`, random.pick(values)]),
  );
}

function configOf(random: Random): Record<string, string> {
  const choices: readonly (readonly [string, number, readonly string[]])[] = [
    ['max-scale-up-rate', 0.3, ['1.1', '1.5', '2', '10', '1000']],
    ['max-scale-down-rate', 0.3, ['1.1', '2', '3', '100']],
    ['container-concurrency-target-default', 0.2, ['10', '50', '200']],
    ['container-concurrency-target-percentage', 0.2, ['0.5', '70', '100']],
    ['requests-per-second-target-default', 0.2, ['50', '1000']],
    ['stable-window', 0.2, ['10s', '40s', '90s']],
    ['panic-window-percentage', 0.2, ['20', '50']],
    ['panic-threshold-percentage', 0.2, ['120', '300']],
    ['target-burst-capacity', 0.2, ['0', '-1', '70']],
    ['scale-down-delay', 0.15, ['4s', '20s']],
    ['min-scale', 0.1, ['1', '2']],
    ['max-scale', 0.1, ['8']],
    ['initial-scale', 0.1, ['2']],
    ['enable-scale-to-zero', 0.15, ['false']],
    ['allow-zero-initial-scale', 0.3, ['true', 'false']],
  ];
  return Object.fromEntries(
    choices
      .filter(([, share]) => random.chance(share))
      .map(([name, , values]) => [name, random.pick(values)]),
  );
}
