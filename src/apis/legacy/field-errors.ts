import { isDeepStrictEqual } from 'node:util';
import { disallowedField, invalidKeyName, missingField } from '../field-error.ts';
import { shortDiff } from '../short-diff.ts';
import type { FieldError } from '../kind.ts';
import type { ReferenceThen } from './legacy-kind.ts';

/** knative/pkg's field errors as they were worded in 2018, where that was another way than today's. */
export const invalidThen = (value: string, path: string, details?: string): FieldError => ({
  message: `invalid value ${JSON.stringify(value)}`,
  paths: [path],
  ...(details !== undefined && { details }),
});

export const both = (...paths: string[]): FieldError => ({
  message: 'expected exactly one, got both',
  paths,
});

const QUALIFIED =
  /^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/)?(?:[A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$/;
const QUALIFIED_TEXT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** apimachinery's IsQualifiedName. */
export function keyNameErrors(name: string, path: string): FieldError[] {
  return QUALIFIED.test(name) ? [] : [invalidKeyName(name, path, QUALIFIED_TEXT)];
}

const CONFIG_KEY_TEXT =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/** apimachinery's IsConfigMapKey. */
export function configKeyErrors(name: string, path: string): FieldError[] {
  return /^[-._a-zA-Z0-9]{1,253}$/.test(name) ? [] : [invalidKeyName(name, path, CONFIG_KEY_TEXT)];
}

/** A reference says name, apiVersion and kind, and nothing else (eventing v0.2, subscribable_channelable_validation.go). */
export function referenceErrors(reference: ReferenceThen, path: string): FieldError[] {
  const missing = (['name', 'apiVersion', 'kind'] as const).filter((field) => !reference[field]);
  const details = 'only name, apiVersion and kind are supported fields';
  return [
    ...missing.map((field) => missingField(`${path}.${field}`)),
    ...(reference.namespace === undefined ? [] : [{ ...disallowedField(`${path}.Namespace`), details }]),
  ];
}

/** One that may only name a Channel of that time. */
export function channelReferenceErrors(reference: ReferenceThen, path: string): FieldError[] {
  const { kind = '', apiVersion = '' } = reference;
  return [
    ...referenceErrors(reference, path),
    ...(kind === 'Channel' ? [] : [invalidThen(kind, `${path}.kind`, "only 'Channel' kind is allowed")]),
    ...(apiVersion === 'eventing.knative.dev/v1alpha1'
      ? []
      : [
          invalidThen(
            apiVersion,
            `${path}.apiVersion`,
            'only eventing.knative.dev/v1alpha1 is allowed for apiVersion',
          ),
        ]),
  ];
}

/** None when both are the same; `what` is the Go type, as in `{v1alpha1.ChannelSpec}`. */
export function immutableThen(what: string, before: unknown, after: unknown): FieldError[] {
  if (isDeepStrictEqual(before, after)) return [];
  const details = shortDiff(what, before, after);
  return [{ message: 'Immutable fields changed (-old +new)', paths: ['spec'], details }];
}
