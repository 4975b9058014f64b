import Type from 'typebox';
import { labelSelector, type LabelSelector } from '../../label-selector.ts';
import { text } from '../../schema.ts';
import type { SourceObject } from '../source-kind.ts';

export const sinkBindingSpec = {
  subject: Type.Optional(
    Type.Object(
      {
        apiVersion: Type.Optional(text('API version of the subject.')),
        kind: Type.Optional(text('Kind of the subject.')),
        namespace: Type.Optional(text('That of the SinkBinding.')),
        name: Type.Optional(text('Name of the subject. Mutually exclusive with selector.')),
        selector: Type.Optional(labelSelector('Labels of the subjects. Mutually exclusive with name.')),
      },
      { description: 'What is told where its events are to go.' },
    ),
  ),
};

export type Subject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly selector?: LabelSelector;
};

export type SinkBinding = SourceObject & {
  readonly spec: SourceObject['spec'] & { readonly subject?: Subject };
};

export const SINK_BINDING = { apiVersion: 'sources.knative.dev/v1', kind: 'SinkBinding' };
