import Type from 'typebox';
import type { KReference, Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';
import { objectReference, text } from '../../schema.ts';
import { sourceStatus } from '../source-kind.ts';

export const kubernetesEventSourceSchema = Type.Object({
  spec: Type.Optional(
    Type.Object(
      {
        namespace: text('The namespace whose core/v1 Events are taken.'),
        serviceAccountName: Type.Optional(
          text('Not used: a cluster is watched as whom the kubeconfig names.'),
        ),
        sink: Type.Optional(objectReference),
      },
      { description: 'What is desired.' },
    ),
  ),
  status: Type.Optional(Type.Object(sourceStatus, { description: 'What there is.' })),
});

/** eventing-sources v0.2.0 pkg/apis/sources/v1alpha1/kuberneteseventsource_types.go: its sink is the reference itself. */
export type KubernetesEventSource = Resource & {
  readonly spec: {
    readonly namespace: string;
    readonly serviceAccountName?: string;
    readonly sink?: KReference & { readonly ref?: never; readonly uri?: never };
  };
  readonly status?: Status & { readonly sinkUri?: string };
};

export const KUBERNETES_EVENT_SOURCE = {
  apiVersion: 'sources.eventing.knative.dev/v1alpha1',
  kind: 'KubernetesEventSource',
};
