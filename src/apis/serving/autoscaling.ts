import { parseGoDuration } from '../../base/duration.ts';
import { invalidValue, outOfBounds } from '../field-error.ts';
import type { FieldError } from '../kind.ts';

const PREFIX = 'autoscaling.knative.dev/';
const ALIASES: Readonly<Record<string, string>> = {
  minScale: 'min-scale',
  maxScale: 'max-scale',
  initialScale: 'initial-scale',
  scaleDownDelay: 'scale-down-delay',
};

/** Autoscaling annotations by their name without the prefix, aliases resolved (pkg/apis/autoscaling/register.go). */
export function autoscalingAnnotations(
  annotations: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, string> {
  const found = Object.entries(annotations).filter(([name]) => name.startsWith(PREFIX));
  return new Map(
    found.map(([name, value]) => [ALIASES[name.slice(PREFIX.length)] ?? name.slice(PREFIX.length), value]),
  );
}

const HOUR_MS = 3_600_000;

type Rule = (value: string, path: string) => FieldError | undefined;

const number =
  (low: number, high: number, isWhole: boolean): Rule =>
  (value, path) => {
    const parsed = Number(value);
    if (value.trim() === '' || Number.isNaN(parsed) || (isWhole && !Number.isInteger(parsed)))
      return invalidValue(value, path);
    return parsed < low || parsed > high ? outOfBounds(value, low, high, path) : undefined;
  };
const span =
  (lowMs: number): Rule =>
  (value, path) => {
    const highMs = HOUR_MS;
    const ms = parseGoDuration(value);
    if (ms === undefined) return invalidValue(value, path);
    if (ms < lowMs || ms > highMs) return outOfBounds(value, `${lowMs / 1000}s`, '1h0m0s', path);
    return ms % 1000 === 0
      ? undefined
      : { message: 'must be specified with at most second precision', paths: [path] };
  };
const among =
  (...values: string[]): Rule =>
  (value, path) =>
    values.includes(value) ? undefined : invalidValue(value, path);

const INT_MAX = 2 ** 31 - 1;
const whole = number(0, INT_MAX, true);
const RULES: Readonly<Record<string, Rule>> = {
  class: among('kpa.autoscaling.knative.dev'),
  metric: among('concurrency', 'rps'),
  'metric-aggregation-algorithm': among('linear', 'weighted-exponential'),
  target: (value, path) =>
    Number(value) < 0.01 && value.trim() !== ''
      ? { message: `target ${value} should be at least 0.01`, paths: [path] }
      : number(0.01, Number.MAX_VALUE, false)(value, path),
  'target-utilization-percentage': number(1, 100, false),
  'target-burst-capacity': (value, path) =>
    Number(value) === -1 || number(0, Number.MAX_VALUE, false)(value, path) === undefined
      ? undefined
      : invalidValue(value, path),
  'min-scale': whole,
  'max-scale': whole,
  'initial-scale': (value, path) =>
    Number(value) < 0 ? invalidValue(value, `${path} must be greater than 0`) : whole(value, path),
  'activation-scale': number(2, INT_MAX, true),
  'scale-down-delay': span(0),
  'scale-to-zero-pod-retention-period': span(0),
  window: span(6000),
  'panic-window-percentage': number(1, 100, false),
  'panic-threshold-percentage': number(110, 1000, false),
};

/** serving pkg/apis/autoscaling/annotation_validation.go; `allowsZero`: config-autoscaler's allow-zero-initial-scale. */
export function autoscalingErrors(
  annotations: Readonly<Record<string, string>> | undefined,
  allowsZero: boolean,
): FieldError[] {
  const found = autoscalingAnnotations(annotations);
  const errors = [...found].flatMap(([name, value]) => RULES[name]?.(value, PREFIX + name) ?? []);
  const [min, max] = [Number(found.get('min-scale') ?? 0), Number(found.get('max-scale') ?? 0)];
  if (max > 0 && max < min)
    errors.push({
      message: `max-scale=${max} is less than min-scale=${min}`,
      paths: [`${PREFIX}max-scale`, `${PREFIX}min-scale`],
    });
  if (found.get('initial-scale') === '0' && !allowsZero) {
    errors.push(invalidValue('0', `${PREFIX}initial-scale=0 not allowed by cluster`));
  }
  return errors;
}
