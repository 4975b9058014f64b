import Type from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { KindDefinition } from '../../kind.ts';
import { openObject, text } from '../../schema.ts';
import { SOURCES_THEN, sourceKindThen, type SourceThen } from './source-then.ts';

/** eventing-sources v0.2.0, containersource_types.go. */
export type ContainerSourceThen = SourceThen & {
  readonly spec?: {
    readonly image?: string;
    readonly args?: readonly string[];
    readonly env?: readonly Readonly<Record<string, unknown>>[];
    readonly serviceAccountName?: string;
  };
};

export const CONTAINER_SOURCE_THEN = { apiVersion: SOURCES_THEN, kind: 'ContainerSource' };

export const CONTAINER_CONDITIONS_THEN: ConditionSet = {
  happy: 'Ready',
  dependents: ['SinkProvided', 'Deployed'],
};

export const containerSourceThenKind: KindDefinition<ContainerSourceThen> =
  sourceKindThen<ContainerSourceThen>(
    { kind: 'ContainerSource', plural: 'containersources', singular: 'containersource' },
    {
      spec: {
        image: Type.Optional(text('The image to run.')),
        args: Type.Optional(Type.Array(Type.String(), { description: 'Its arguments.' })),
        env: Type.Optional(Type.Array(openObject('A variable.'), { description: 'Its environment.' })),
      },
    },
  );
