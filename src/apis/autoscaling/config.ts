import { goDuration, goDurationFault, parseGoDuration } from '../../base/duration.ts';
import { KPA } from './annotations.ts';
import {
  goFixed,
  goFloat,
  parseBool,
  parseFloat64,
  parseInt32,
  strconvFault,
  type Parsed,
} from './go-numbers.ts';

/** ConfigMap `config-autoscaler` of namespace `knative-serving` (serving pkg/autoscaler/config). */
export type AutoscalerConfig = {
  readonly scalerClass: string;
  readonly isScaledToZero: boolean;
  readonly allowsZeroInitialScale: boolean;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly concurrencyTarget: number; // of an instance without a bound of its own
  readonly concurrencyUtilization: number; // a fraction
  readonly rpsTarget: number;
  readonly burstCapacity: number;
  readonly activatorCapacity: number;
  readonly panicWindowPercent: number;
  readonly panicThresholdPercent: number;
  readonly initialScale: number;
  readonly minScale: number;
  readonly maxScale: number;
  readonly maxScaleLimit: number;
  readonly windowMs: number;
  readonly scaleDownDelayMs: number;
  readonly graceMs: number; // read and checked; nothing waits for it here: nothing is re-routed
  readonly retentionMs: number;
};

/** What is shipped; `allow-zero-initial-scale` is upstream's `false` otherwise (contract: Defaults). */
export const AUTOSCALER_DEFAULTS: AutoscalerConfig = {
  scalerClass: KPA,
  isScaledToZero: true,
  allowsZeroInitialScale: true,
  maxScaleUpRate: 1000,
  maxScaleDownRate: 2,
  concurrencyTarget: 100,
  concurrencyUtilization: 0.7,
  rpsTarget: 200,
  burstCapacity: 211,
  activatorCapacity: 100,
  panicWindowPercent: 10,
  panicThresholdPercent: 200,
  initialScale: 1,
  minScale: 0,
  maxScale: 0,
  maxScaleLimit: 0,
  windowMs: 60_000,
  scaleDownDelayMs: 0,
  graceMs: 30_000,
  retentionMs: 0,
};

export const TARGET_MIN = 0.01;
export const WINDOW_MIN_MS = 6000;
export const WINDOW_MAX_MS = 3_600_000;
/** rps has no utilization of its own in the ConfigMap. */
export const RPS_UTILIZATION = 0.7;

type Data = Readonly<Record<string, string>>;

/** The configuration that the ConfigMap holds, or upstream's words for what is wrong with it. */
export function parseAutoscalerConfig(
  data: Data,
): { readonly config: AutoscalerConfig } | { readonly fault: string } {
  const values = new Values(data);
  const config = read(values);
  const fault = values.fault ?? faultOf(config);
  return fault === undefined ? { config } : { fault };
}

/** The same, for who plans: a ConfigMap that could not be taken now (an older version stored it) counts as none. */
export function autoscalerConfig(data: Data | undefined): AutoscalerConfig {
  const parsed = parseAutoscalerConfig(data ?? {});
  return 'config' in parsed ? parsed.config : AUTOSCALER_DEFAULTS;
}

/** In upstream's order, since the first fault is the one that is told. */
function read(values: Values): AutoscalerConfig {
  const shipped = AUTOSCALER_DEFAULTS;
  const flags = {
    scalerClass: values.text('pod-autoscaler-class', shipped.scalerClass),
    isScaledToZero: values.boolean('enable-scale-to-zero', shipped.isScaledToZero),
    allowsZeroInitialScale: values.boolean('allow-zero-initial-scale', shipped.allowsZeroInitialScale),
    maxScaleUpRate: values.float('max-scale-up-rate', shipped.maxScaleUpRate),
    maxScaleDownRate: values.float('max-scale-down-rate', shipped.maxScaleDownRate),
  };
  const utilization = values.float('container-concurrency-target-percentage', 70);
  return {
    ...flags,
    concurrencyUtilization: utilization > 1 ? utilization / 100 : utilization, // up to 1 it is a fraction already
    concurrencyTarget: values.float('container-concurrency-target-default', shipped.concurrencyTarget),
    rpsTarget: values.float('requests-per-second-target-default', shipped.rpsTarget),
    burstCapacity: values.float('target-burst-capacity', shipped.burstCapacity),
    panicWindowPercent: values.float('panic-window-percentage', shipped.panicWindowPercent),
    activatorCapacity: values.float('activator-capacity', shipped.activatorCapacity),
    panicThresholdPercent: values.float('panic-threshold-percentage', shipped.panicThresholdPercent),
    initialScale: values.int32('initial-scale', shipped.initialScale),
    minScale: values.int32('min-scale', shipped.minScale),
    maxScale: values.int32('max-scale', shipped.maxScale),
    maxScaleLimit: values.int32('max-scale-limit', shipped.maxScaleLimit),
    windowMs: values.duration('stable-window', shipped.windowMs),
    scaleDownDelayMs: values.duration('scale-down-delay', shipped.scaleDownDelayMs),
    graceMs: values.duration('scale-to-zero-grace-period', shipped.graceMs),
    retentionMs: values.duration('scale-to-zero-pod-retention-period', shipped.retentionMs),
  };
}

/** The first rule that does not hold, as upstream words it; numbers print as Go prints them. */
function faultOf(c: AutoscalerConfig): string | undefined {
  const target = c.concurrencyUtilization * c.concurrencyTarget;
  const lowestMax = c.maxScaleLimit > 0 ? 1 : 0;
  const rules: readonly (readonly [boolean, string])[] = [
    [c.graceMs > 0, `scale-to-zero-grace-period must be positive, was: ${goDuration(c.graceMs)}`],
    [c.scaleDownDelayMs >= 0, `scale-down-delay cannot be negative, was: ${goDuration(c.scaleDownDelayMs)}`],
    [
      c.scaleDownDelayMs % 1000 === 0,
      `scale-down-delay = ${goDuration(c.scaleDownDelayMs)}, must be specified with at most second precision`,
    ],
    [
      c.retentionMs >= 0,
      `scale-to-zero-pod-retention-period cannot be negative, was: ${goDuration(c.retentionMs)}`,
    ],
    [
      c.burstCapacity >= 0 || c.burstCapacity === -1,
      `target-burst-capacity must be either non-negative or -1 (for unlimited), was: ${goFixed(c.burstCapacity)}`,
    ],
    [
      c.concurrencyUtilization > 0 && c.concurrencyUtilization <= 1,
      `container-concurrency-target-percentage = ${goFixed(c.concurrencyUtilization)} is outside of valid range of (0, 100]`,
    ],
    [
      target >= TARGET_MIN,
      `container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency of ${goFloat(target)}, can't be less than ${TARGET_MIN}`,
    ],
    [
      c.rpsTarget >= TARGET_MIN,
      `requests-per-second-target-default must be at least ${TARGET_MIN}, was: ${goFloat(c.rpsTarget)}`,
    ],
    [c.activatorCapacity >= 1, `activator-capacity = ${goFloat(c.activatorCapacity)}, must be at least 1`],
    [c.maxScaleUpRate > 1, `max-scale-up-rate = ${goFloat(c.maxScaleUpRate)}, must be greater than 1.0`],
    [
      c.maxScaleDownRate > 1,
      `max-scale-down-rate = ${goFloat(c.maxScaleDownRate)}, must be greater than 1.0`,
    ],
    [
      c.windowMs >= WINDOW_MIN_MS && c.windowMs <= WINDOW_MAX_MS,
      `stable-window = ${goDuration(c.windowMs)}, must be in [${goDuration(WINDOW_MIN_MS)}; ${goDuration(WINDOW_MAX_MS)}] range`,
    ],
    [
      c.windowMs % 1000 === 0,
      `stable-window = ${goDuration(c.windowMs)}, must be specified with at most second precision`,
    ],
    [
      c.panicWindowPercent >= 1 && c.panicWindowPercent <= 100,
      `panic-window-percentage = ${goFloat(c.panicWindowPercent)}, must be in [1, 100] interval`,
    ],
    [
      c.initialScale > 0 || (c.initialScale === 0 && c.allowsZeroInitialScale),
      `initial-scale = ${c.initialScale}, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)`,
    ],
    [c.minScale >= 0, `min-scale = ${c.minScale}, must be at least 0`],
    [
      c.maxScale >= lowestMax && (c.maxScaleLimit <= 0 || c.maxScale <= c.maxScaleLimit),
      `max-scale = ${c.maxScale}, must be in [${lowestMax}, max-scale-limit(${c.maxScaleLimit})] range`,
    ],
    [c.maxScaleLimit >= 0, `max-scale-limit = ${c.maxScaleLimit}, must be at least 0`],
    [
      c.maxScale <= 0 || c.minScale <= c.maxScale,
      `min-scale (${c.minScale}) must be less than max-scale (${c.maxScale})`,
    ],
    // Upstream takes one that is none, and never panics then.
    [!Number.isNaN(c.panicThresholdPercent), 'panic-threshold-percentage = NaN, must be a number'],
  ];
  return rules.find(([holds]) => !holds)?.[1];
}

/** The values of a ConfigMap, each read as upstream reads it; the first that cannot be is remembered. */
class Values {
  readonly #data: Data;
  #fault: string | undefined;

  constructor(data: Data) {
    this.#data = data;
  }

  get fault(): string | undefined {
    return this.#fault === undefined ? undefined : `failed to parse data: ${this.#fault}`;
  }

  text(key: string, shipped: string): string {
    return this.#data[key] ?? shipped;
  }

  float(key: string, shipped: number): number {
    return this.#number(key, shipped, 'ParseFloat', parseFloat64);
  }

  int32(key: string, shipped: number): number {
    return this.#number(key, shipped, 'ParseInt', parseInt32);
  }

  boolean(key: string, shipped: boolean): boolean {
    const text = this.#data[key];
    if (text === undefined) return shipped;
    const parsed = parseBool(text);
    if (parsed.kind === 'value') return parsed.value;
    this.#fault ??= strconvFault('ParseBool', text, parsed.kind); // upstream names no key here
    return shipped;
  }

  duration(key: string, shipped: number): number {
    const text = this.#data[key];
    if (text === undefined) return shipped;
    const ms = parseGoDuration(text);
    if (ms === undefined) this.#fault ??= unparsable(key, goDurationFault(text));
    return ms ?? shipped;
  }

  #number(
    key: string,
    shipped: number,
    how: 'ParseInt' | 'ParseFloat',
    parse: (text: string) => Parsed<number>,
  ): number {
    const text = this.#data[key];
    if (text === undefined) return shipped;
    const parsed = parse(text);
    if (parsed.kind === 'value') return parsed.value;
    this.#fault ??= unparsable(key, strconvFault(how, text, parsed.kind));
    return shipped;
  }
}

const unparsable = (key: string, why: string): string => `failed to parse ${JSON.stringify(key)}: ${why}`;
