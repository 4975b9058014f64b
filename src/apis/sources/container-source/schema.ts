import Type from 'typebox';
import { stringMap } from '../../schema.ts';
import { container } from '../../serving/shared.ts';
import type { Container } from '../../serving/types.ts';
import type { SourceObject } from '../source-kind.ts';

const OPEN = { 'x-kubernetes-preserve-unknown-fields': true };

export const containerSourceSpec = {
  template: Type.Optional(
    Type.Object(
      {
        metadata: Type.Optional(
          Type.Object(
            {
              labels: Type.Optional(stringMap('Labels of the Pods.')),
              annotations: Type.Optional(stringMap('Annotations of the Pods.')),
            },
            { description: 'Metadata of the Pods.', ...OPEN },
          ),
        ),
        spec: Type.Optional(
          Type.Object(
            {
              containers: Type.Optional(Type.Array(container, { description: 'What runs: one container.' })),
            },
            { description: 'What runs.', ...OPEN },
          ),
        ),
      },
      { description: 'The program that makes events.' },
    ),
  ),
};

export type ContainerSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly template?: {
      readonly metadata?: {
        readonly labels?: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec?: { readonly containers?: readonly Container[] };
    };
  };
};

export const CONTAINER_SOURCE = { apiVersion: 'sources.knative.dev/v1', kind: 'ContainerSource' };
