import Type, { type TSchema } from 'typebox';
import type { Status } from '../../duck.ts';
import type { KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { text } from '../../schema.ts';
import { legacyKind, referenceThen, type LegacyNames, type ReferenceThen } from '../legacy-kind.ts';

export const SOURCES_GROUP_THEN = 'sources.eventing.knative.dev';
export const SOURCES_THEN = `${SOURCES_GROUP_THEN}/v1alpha1`;

/** What the sources of Knative 0.2 have in common: a sink that is a reference. */
export type SourceThen = Resource & {
  readonly spec?: { readonly sink?: ReferenceThen };
  readonly status?: Status & { readonly sinkUri?: string };
};

/** They had no webhook: what is wrong with their shape, the API server says in its own words. */
export function sourceKindThen<R extends SourceThen>(
  names: Omit<LegacyNames, 'group'>,
  own: {
    readonly spec: Readonly<Record<string, TSchema>>;
    readonly status?: Readonly<Record<string, TSchema>>;
  },
): KindDefinition<R> {
  const spec = Type.Object(
    {
      ...own.spec,
      serviceAccountName: Type.Optional(text('Not used.')),
      sink: Type.Optional(referenceThen('Where the events go.')),
    },
    { description: 'What is desired.' },
  );
  return legacyKind<R>(
    { group: SOURCES_GROUP_THEN, categories: ['all', 'knative', 'eventing', 'sources'], ...names },
    { spec, status: { sinkUri: Type.Optional(text('The resolved sink.')), ...own.status } },
  );
}
