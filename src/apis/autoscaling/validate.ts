import { goDuration, parseGoDuration } from '../../base/duration.ts';
import { invalidValue, outOfBounds } from '../field-error.ts';
import type { FieldError } from '../kind.ts';
import { HPA, keyOfAnnotation, KPA, writtenAnnotations, type Written } from './annotations.ts';
import { TARGET_MIN, WINDOW_MAX_MS, WINDOW_MIN_MS, type AutoscalerConfig } from './config.ts';
import { parseFloat64, parseInt32, parseInt64 } from './go-numbers.ts';

const INT32_MAX = 2 ** 31 - 1;
const ALGORITHMS = ['linear', 'weighted-exponential', 'weightedExponential'];

type Found = ReadonlyMap<string, Written>;
type Rule = (written: Written) => FieldError | undefined;

/** serving pkg/apis/autoscaling/annotation_validation.go; paths are names of annotations. */
export function autoscalingErrors(
  annotations: Readonly<Record<string, string>> | undefined,
  config: Pick<AutoscalerConfig, 'allowsZeroInitialScale' | 'maxScaleLimit' | 'scalerClass'>,
): readonly FieldError[] {
  const found = writtenAnnotations(annotations);
  const simple = [...found].flatMap(([name, written]) => RULES[name]?.(written) ?? []);
  return [
    ...simple,
    ...boundsErrors(found, config.maxScaleLimit),
    ...metricErrors(found, config.scalerClass),
    ...algorithmErrors(found),
    ...initialScaleErrors(found.get('initial-scale'), config.allowsZeroInitialScale),
  ];
}

const within =
  (low: number, high: number): Rule =>
  ({ key, value }) => {
    const parsed = parseFloat64(value);
    if (parsed.kind !== 'value') return invalidValue(value, key);
    return parsed.value < low || parsed.value > high ? outOfBounds(value, low, high, key) : undefined;
  };

const span =
  (lowMs: number, isWhole: boolean): Rule =>
  ({ key, value }) => {
    const ms = parseGoDuration(value);
    if (ms === undefined) return invalidValue(value, key);
    if (ms < lowMs || ms > WINDOW_MAX_MS)
      return outOfBounds(value, goDuration(lowMs), goDuration(WINDOW_MAX_MS), key);
    return isWhole && ms % 1000 !== 0
      ? { message: 'must be specified with at most second precision', paths: [key] }
      : undefined;
  };

const count: Rule = ({ key, value }) => {
  const parsed = parseInt32(value);
  if (parsed.kind === 'syntax') return invalidValue(value, key);
  const isRight = parsed.kind === 'value' && parsed.value >= 0;
  return isRight ? undefined : outOfBounds(value, 0, INT32_MAX, key);
};

const RULES: Readonly<Record<string, Rule>> = {
  class: ({ key, value }) =>
    value.endsWith('.autoscaling.knative.dev') && value !== KPA && value !== HPA
      ? invalidValue(value, key)
      : undefined,
  target: ({ key, value }) => {
    const parsed = parseFloat64(value);
    if (parsed.kind !== 'value') return invalidValue(value, key);
    return parsed.value < TARGET_MIN
      ? { message: `target ${value} should be at least ${TARGET_MIN}`, paths: [key] }
      : undefined;
  },
  'target-utilization-percentage': within(1, 100),
  'target-burst-capacity': ({ key, value }) => {
    const parsed = parseFloat64(value);
    const isWrong = parsed.kind !== 'value' || (parsed.value < 0 && parsed.value !== -1);
    return isWrong ? invalidValue(value, key) : undefined;
  },
  'min-scale': count,
  'max-scale': count,
  'scale-down-delay': span(0, true),
  'scale-to-zero-pod-retention-period': span(0, false),
  window: span(WINDOW_MIN_MS, true),
  'panic-window-percentage': within(1, 100),
  'panic-threshold-percentage': within(110, 1000),
};

/** How the bounds stand to one another; one that is no number counts as none. */
function boundsErrors(found: Found, limit: number): FieldError[] {
  const [min, max] = [countOf(found.get('min-scale')), countOf(found.get('max-scale'))];
  const errors: FieldError[] = [];
  if (max !== 0 && max < min) {
    errors.push({
      message: `max-scale=${max} is less than min-scale=${min}`,
      paths: [keyOfAnnotation('max-scale'), keyOfAnnotation('min-scale')],
    });
  }
  const { key } = found.get('max-scale') ?? {};
  if (key !== undefined && limit !== 0 && max > limit) errors.push(outOfBounds(max, 1, limit, key));
  if (key !== undefined && limit !== 0 && max === 0) {
    errors.push({ message: `max-scale=0 (unlimited), must be less than ${limit}`, paths: [key] });
  }
  return [...errors, ...activationErrors(found.get('activation-scale'), min, max)];
}

function activationErrors(written: Written | undefined, min: number, max: number): FieldError[] {
  if (written === undefined) return [];
  const { key, value } = written;
  const parsed = parseInt32(value);
  if (parsed.kind !== 'value') return [invalidValue(value, key)];
  const scale = parsed.value;
  if (min > scale)
    return [{ message: `min-scale=${min} is greater than activation-scale=${scale}`, paths: [key] }];
  if (max !== 0 && max < scale)
    return [{ message: `max-scale=${max} is less than activation-scale=${scale}`, paths: [key] }];
  return scale < 2 ? [{ message: `activation-scale=${scale} must be greater than 1`, paths: [key] }] : [];
}

function countOf(written: Written | undefined): number {
  const parsed = written && parseInt32(written.value);
  return parsed?.kind === 'value' && parsed.value > 0 ? parsed.value : 0;
}

/** Other classes than ours may have metrics of their own. */
function metricErrors(found: Found, defaultClass: string): FieldError[] {
  const written = found.get('metric');
  if (written === undefined) return [];
  const scalerClass = found.get('class')?.value ?? defaultClass;
  const isKnown =
    scalerClass === KPA
      ? ['concurrency', 'rps'].includes(written.value)
      : scalerClass !== HPA || written.value !== '';
  return isKnown ? [] : [invalidValue(written.value, written.key)];
}

/** Checked, as upstream does, only where the class is written down. */
function algorithmErrors(found: Found): FieldError[] {
  const written = found.get('metric-aggregation-algorithm');
  if (written === undefined || written.value === '' || found.get('class')?.value !== KPA) return [];
  return ALGORITHMS.includes(written.value) ? [] : [invalidValue(written.value, written.key)];
}

function initialScaleErrors(written: Written | undefined, allowsZero: boolean): FieldError[] {
  if (written === undefined) return [];
  const { key, value } = written;
  const parsed = parseInt64(value);
  if (parsed.kind !== 'value') return [invalidValue(value, key)];
  if (parsed.value < 0) return [invalidValue(value, `${key} must be greater than 0`)];
  return parsed.value === 0 && !allowsZero ? [invalidValue(value, `${key}=0 not allowed by cluster`)] : [];
}
