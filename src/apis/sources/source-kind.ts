import Type, { type TSchema } from 'typebox';
import { AGE } from '../core/core-kinds.ts';
import { destinationErrors, withNamespace } from '../delivery.ts';
import type { Destination, Status } from '../duck.ts';
import { below } from '../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition, PrinterColumn, ScalePaths } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { destination, statusFields, stringMap, text } from '../schema.ts';
import { extensionErrors } from './ce-overrides.ts';

/** What every source has (knative pkg/apis/duck/v1/source_types.go). */
export type SourceObject = Resource & {
  readonly spec: {
    readonly sink?: Destination;
    readonly ceOverrides?: { readonly extensions?: Readonly<Record<string, string>> };
  };
  readonly status?: Status & {
    readonly sinkUri?: string;
    readonly ceAttributes?: readonly CeAttributes[];
  };
};

/** What the events of a source look like. */
export type CeAttributes = { readonly type: string; readonly source: string };

/** A key of a Secret in the source's own namespace. */
export type SecretKeyRef = { readonly name: string; readonly key: string };

/** A value that stands in a Secret; `more` are members beside its name and key. */
export const secretValue = (description: string, more: Readonly<Record<string, TSchema>> = {}) =>
  Type.Object(
    {
      secretKeyRef: Type.Optional(
        Type.Object(
          {
            name: Type.Optional(text('Name of the Secret.')),
            key: Type.Optional(text('Key in it.')),
            ...more,
          },
          { description: 'A key of a Secret in the same namespace.' },
        ),
      ),
    },
    { description },
  );

/** A value that may be missing. */
export const optionalValue = {
  optional: Type.Optional(Type.Boolean({ description: 'Whether it may be missing.' })),
};

/** Where the events of a source go, and what is added to them. */
export const sourceSpec = {
  sink: Type.Optional(destination('Where the events go.')),
  ceOverrides: Type.Optional(
    Type.Object(
      { extensions: Type.Optional(stringMap('Attributes added to each event.')) },
      { description: 'Changes to each event.' },
    ),
  ),
};

/** What every source says of itself. */
export const sourceStatus = {
  ...statusFields,
  sinkUri: Type.Optional(text('The resolved sink.')),
  ceAttributes: Type.Optional(
    Type.Array(
      Type.Object({
        type: Type.Optional(text('Event type.')),
        source: Type.Optional(text('Event source.')),
      }),
      { description: 'What the events look like.' },
    ),
  ),
};

export const SINK_COLUMN: PrinterColumn = { name: 'Sink', type: 'string', from: '.status.sinkUri' };
export const READY_COLUMNS: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
];

/** A source kind: what all of them share, and what this one has of its own. */
export function sourceKind<R extends SourceObject>(
  names: Pick<KindDefinition, 'kind' | 'plural' | 'singular' | 'versions'> & {
    readonly group?: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
    readonly webhook?: string;
  },
  own: {
    readonly spec: Readonly<Record<string, TSchema>>;
    readonly status?: Readonly<Record<string, TSchema>>;
    readonly columns?: readonly PrinterColumn[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly scale?: ScalePaths;
    readonly setDefaults?: (source: R, context: AdmissionContext) => R;
    readonly validate?: (source: R, context: AdmissionContext) => readonly FieldError[];
    readonly warn?: (source: R) => readonly string[];
  },
): KindDefinition<R> {
  return {
    group: 'sources.knative.dev',
    shortNames: [],
    categories: ['all', 'knative', 'sources'],
    webhook: 'validation.webhook.eventing.knative.dev',
    ...names,
    scope: 'Namespaced',
    schema: Type.Object({
      spec: Type.Optional(Type.Object({ ...sourceSpec, ...own.spec }, { description: 'What is desired.' })),
      status: Type.Optional(
        Type.Object({ ...sourceStatus, ...own.status }, { description: 'What there is.' }),
      ),
    }),
    columns: own.columns ?? [SINK_COLUMN, AGE, ...READY_COLUMNS],
    subresources: { status: true, ...(own.scale !== undefined && { scale: own.scale }) },
    crd: { labels: { ...SOURCE_LABELS, ...own.labels }, annotations: own.annotations ?? {} },
    setDefaults: (source, context) => own.setDefaults?.(withSink(source), context) ?? withSink(source),
    validate: (source, context) => [...(own.validate?.(source, context) ?? []), ...sourceErrors(source)],
    ...(own.warn !== undefined && { warn: own.warn }),
  };
}

const SOURCE_LABELS = {
  'eventing.knative.dev/source': 'true',
  'duck.knative.dev/source': 'true',
  'knative.dev/crd-install': 'true',
};

/** The sink is in the source's own namespace unless it says another. */
function withSink<R extends SourceObject>(source: R): R {
  const sink = withNamespace(source.spec?.sink, source.metadata.namespace);
  return { ...source, spec: { ...source.spec, ...(sink !== undefined && { sink }) } };
}

function sourceErrors({ spec }: SourceObject): FieldError[] {
  const { sink, ceOverrides } = spec ?? {};
  return [
    ...below('spec.sink', destinationErrors(sink ?? {})),
    ...extensionErrors(ceOverrides?.extensions ?? {}),
  ];
}
