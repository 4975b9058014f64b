import Type, { type TSchema } from 'typebox';
import { AGE } from '../core/core-kinds.ts';
import type { AdmissionContext, FieldError, KindDefinition, PrinterColumn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { statusFields, text } from '../schema.ts';

export type LegacyNames = Pick<KindDefinition, 'group' | 'kind' | 'plural' | 'singular'> &
  Partial<Pick<KindDefinition, 'shortNames' | 'categories' | 'scope' | 'webhook'>>;

export type LegacyParts<R extends Resource> = {
  readonly spec: TSchema;
  readonly status?: Readonly<Record<string, TSchema>>;
  readonly columns?: readonly PrinterColumn[];
  readonly setDefaults?: (object: R) => R;
  readonly validate?: (object: R, context: AdmissionContext) => readonly FieldError[];
  readonly warn?: (object: R) => readonly string[];
};

/** What the kinds of 2018 have in common: one version, no short names, no columns but the age. */
export function legacyKind<R extends Resource>(names: LegacyNames, own: LegacyParts<R>): KindDefinition<R> {
  return {
    versions: ['v1alpha1'],
    shortNames: [],
    categories: ['all', 'knative', 'eventing'],
    scope: 'Namespaced',
    ...names,
    schema: Type.Object({
      spec: Type.Optional(own.spec),
      status: Type.Optional(
        Type.Object({ ...statusFields, ...own.status }, { description: 'What there is.' }),
      ),
    }),
    columns: own.columns ?? [AGE],
    subresources: { status: true },
    crd: { labels: {}, annotations: {} },
    setDefaults: (object) => own.setDefaults?.(object) ?? object,
    validate: (object, context) => own.validate?.(object, context) ?? [],
    ...(own.warn !== undefined && { warn: own.warn }),
  };
}

/** The webhook that denied in 2018. */
export const LEGACY_WEBHOOK = 'webhook.eventing.knative.dev';

export const READY_COLUMNS: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
  AGE,
];

/** core/v1's ObjectReference, as sinks and subscribers were written with. */
export const referenceThen = (description: string) =>
  Type.Object(
    {
      apiVersion: Type.Optional(text('API version of the referent.')),
      kind: Type.Optional(text('Kind of the referent.')),
      name: Type.Optional(text('Name of the referent.')),
      namespace: Type.Optional(text('Namespace of the referent.')),
    },
    { description },
  );

export type ReferenceThen = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly namespace?: string;
};

/** A key of a Secret in the object's own namespace. */
export const secretKeyThen = (description: string) =>
  Type.Object(
    { name: Type.Optional(text('Name of the Secret.')), key: Type.Optional(text('Key in it.')) },
    { description },
  );

export type SecretKeyThen = { readonly name?: string; readonly key?: string };

/** Whether nothing is said in it. */
export function isEmpty(value: object | undefined): boolean {
  return value === undefined || Object.keys(value).length === 0;
}
