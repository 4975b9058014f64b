import Type from 'typebox';
import type { EventFilter } from '../../event-filters.ts';
import { labelSelector, type LabelSelector } from '../../label-selector.ts';
import { openObject, text } from '../../schema.ts';
import type { SourceObject } from '../source-kind.ts';

const apiVersion = Type.Optional(text('API version of the objects.'));
const kind = Type.Optional(text('Kind of the objects.'));

export const apiServerSourceSpec = {
  resources: Type.Optional(
    Type.Array(
      Type.Object({
        apiVersion,
        kind,
        selector: Type.Optional(labelSelector('Only objects with these labels.')),
      }),
      { description: 'The kinds of objects to watch.' },
    ),
  ),
  owner: Type.Optional(
    Type.Object(
      { apiVersion, kind },
      { description: 'Only objects that are controlled by one of this kind.' },
    ),
  ),
  mode: Type.Optional(text('Reference: events name the object. Resource: events hold it.')),
  serviceAccountName: Type.Optional(text('Not used: a cluster is watched as whom the kubeconfig names.')),
  namespaceSelector: Type.Optional(
    labelSelector("Watch the namespaces with these labels in place of the source's own; empty: all."),
  ),
  filters: Type.Optional(
    Type.Array(openObject('exact, prefix, suffix, all, any or not.'), {
      description: 'Filters that an event has to pass, all of them.',
    }),
  ),
};

export const apiServerSourceStatus = {
  namespaces: Type.Optional(Type.Array(Type.String(), { description: 'The namespaces that are watched.' })),
};

/** One kind of objects that is watched. */
export type WatchedResource = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly selector?: LabelSelector;
};

export type ApiServerSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly resources: readonly WatchedResource[];
    readonly owner?: { readonly apiVersion: string; readonly kind: string };
    readonly mode: 'Reference' | 'Resource';
    readonly serviceAccountName?: string;
    readonly namespaceSelector?: LabelSelector;
    readonly filters?: readonly EventFilter[];
  };
};

export const API_SERVER_SOURCE = { apiVersion: 'sources.knative.dev/v1', kind: 'ApiServerSource' };
