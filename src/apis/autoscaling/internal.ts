import Type from 'typebox';
import { text } from '../schema.ts';

/** Kinds that the autoscaler makes for itself; operators and tests look at them. */
export const INTERNAL_GROUP = 'autoscaling.internal.knative.dev';
export const CRD = { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} };

/** What is scaled. */
export type ScaleTarget = { readonly apiVersion?: string; readonly kind?: string; readonly name?: string };

export const scaleTarget = (description: string) =>
  Type.Object(
    {
      apiVersion: Type.Optional(text('API version of the referent.')),
      kind: Type.Optional(text('Kind of the referent.')),
      name: Type.Optional(text('Name of the referent.')),
    },
    { description },
  );
