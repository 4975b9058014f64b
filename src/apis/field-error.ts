import type { FieldError } from './kind.ts';
import { shortDiff } from './short-diff.ts';

/** Knative's field errors (pkg/apis/field_error.go). */
export const missingField = (...paths: string[]): FieldError => ({ message: 'missing field(s)', paths });
export const disallowedField = (...paths: string[]): FieldError => ({
  message: 'must not set the field(s)',
  paths,
});
export const invalidValue = (value: unknown, path: string, details?: string): FieldError => ({
  message: `invalid value: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  paths: [path],
  ...(details !== undefined && { details }),
});
export const outOfBounds = (value: unknown, low: unknown, high: unknown, path: string): FieldError => ({
  message: `expected ${String(low)} <= ${String(value)} <= ${String(high)}`,
  paths: [path],
});
export const oneOf = (...paths: string[]): FieldError => ({
  message: 'expected exactly one, got neither',
  paths,
});
export const invalidKeyName = (key: string, path: string, details?: string): FieldError => ({
  message: `invalid key name ${JSON.stringify(key)}`,
  paths: [path],
  ...(details !== undefined && { details }),
});
export const multipleOneOf = (...paths: string[]): FieldError => ({
  message: 'expected exactly one, got both',
  paths,
});
/** Of no field in particular; upstream writes the colon before the fields all the same. */
export const pathless = (message: string): FieldError => ({ message: `${message}: `, paths: [] });

/** None when both are the same, in whatever order their members are; `what` as in `{v1.RevisionSpec}`. */
export function immutable(what: string, before: unknown, after: unknown): FieldError[] {
  const details = shortDiff(what, before, after);
  return details === ''
    ? []
    : [{ message: 'Immutable fields changed (-old +new)', paths: ['spec'], details }];
}

/** All errors in one text: `message: path, path` and details below, one after the other, by message and then by details. */
export function renderFieldErrors(errors: readonly FieldError[]): string {
  return merged(errors)
    .toSorted((a, b) => inOrder(a.message, b.message) || inOrder(a.details ?? '', b.details ?? ''))
    .map(({ message, paths, details }) => {
      const where = paths.length === 0 ? message : `${message}: ${paths.toSorted(inOrder).join(', ')}`;
      return details === undefined ? where : `${where}\n${details}`;
    })
    .join('\n');
}

/** As Go compares strings, as far as they are of one plane. */
const inOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Errors that say the same of several fields become one. */
function merged(errors: readonly FieldError[]): FieldError[] {
  const byText = new Map<string, FieldError>();
  for (const error of errors) {
    const key = JSON.stringify([error.message, error.details]);
    const known = byText.get(key);
    const paths = new Set([...(known?.paths ?? []), ...error.paths]);
    byText.set(key, { ...error, paths: [...paths] });
  }
  return [...byText.values()];
}

/** What a denial of upstream's validating webhook says. */
export function denialText(webhook: string, errors: readonly FieldError[]): string {
  return `admission webhook ${JSON.stringify(webhook)} denied the request: validation failed: ${renderFieldErrors(errors)}`;
}

/** The same errors below another path; an index stands right behind what it is of. */
export function below(path: string, errors: readonly FieldError[]): FieldError[] {
  const at = (each: string): string => (/^\[[^.]*\](?:\.|$)/.test(each) ? path + each : `${path}.${each}`);
  return errors.map((error) => ({
    ...error,
    paths: error.paths.map((each) => (each === '' ? path : at(each))),
  }));
}
