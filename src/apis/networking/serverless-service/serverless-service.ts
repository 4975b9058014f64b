import Type from 'typebox';
import {
  CRD,
  isEmptySpec,
  protocolErrors,
  scaleTarget,
  scaleTargetErrors,
  type ScaleTarget,
} from '../../autoscaling/internal.ts';
import type { ConditionSet } from '../../conditions.ts';
import type { Status } from '../../duck.ts';
import { below, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { int32, statusFields, text } from '../../schema.ts';
import { networkingErrors } from '../../serving/revision/validate-template.ts';
import { READY_COLUMNS, WEBHOOK } from '../../serving/shared.ts';

export const SERVERLESS_SERVICE = {
  apiVersion: 'networking.internal.knative.dev/v1alpha1',
  kind: 'ServerlessService',
} as const;

/** networking pkg/apis/networking/v1alpha1/serverlessservice_types.go */
export type ServerlessService = Resource & {
  readonly spec: {
    /** Who answers where there is a choice: the activator, or the instances themselves. */
    readonly mode?: 'Proxy' | 'Serve';
    readonly numActivators?: number;
    readonly objectRef: ScaleTarget;
    readonly protocolType: string;
  };
  readonly status?: Status & { readonly serviceName?: string; readonly privateServiceName?: string };
};

/** serverlessservice_lifecycle.go; `ActivatorEndpointsPopulated` informs. */
export const SERVERLESS_SERVICE_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['EndpointsPopulated'],
};

/** networking config/serverlessservice.yaml */
export const serverlessServiceKind: KindDefinition<ServerlessService> = {
  group: 'networking.internal.knative.dev',
  versions: ['v1alpha1'],
  kind: 'ServerlessService',
  plural: 'serverlessservices',
  singular: 'serverlessservice',
  shortNames: ['sks'],
  categories: ['knative-internal', 'networking'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Object(
      {
        mode: Type.Optional(
          text(
            'Proxy or Serve: whether the activator stands in the way; here the gateway always does, and this tells where it would not.',
          ),
        ),
        numActivators: Type.Optional(int32('Activators that it would need; 0: all.')),
        objectRef: scaleTarget('What answers.'),
        protocolType: text('What instances speak: http1 or h2c.'),
      },
      { description: 'Who answers.' },
    ),
    status: Type.Optional(
      Type.Object(
        {
          ...statusFields,
          serviceName: Type.Optional(text('The service that requests are for.')),
          privateServiceName: Type.Optional(text('The service of the instances alone.')),
        },
        { description: 'Whether anybody answers.' },
      ),
    ),
  }),
  columns: [
    { name: 'Mode', type: 'string', from: '.spec.mode' },
    { name: 'Activators', type: 'integer', from: '.spec.numActivators' },
    { name: 'ServiceName', type: 'string', from: '.status.serviceName' },
    { name: 'PrivateServiceName', type: 'string', from: '.status.privateServiceName' },
    ...READY_COLUMNS,
  ],
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  isStamped: () => false,
  setDefaults: (service) => service,
  validate: serverlessServiceErrors,
};

/** networking pkg/apis/networking/v1alpha1/serverlessservice_validation.go */
function serverlessServiceErrors({ metadata, spec }: ServerlessService): readonly FieldError[] {
  const annotations = below('annotations', networkingErrors(metadata.annotations ?? {})); // sic
  if (isEmptySpec(spec)) return [...annotations, missingField('spec')];
  const { mode = '', numActivators = 0, objectRef, protocolType } = spec;
  return [
    ...annotations,
    ...below('spec', [
      ...(mode === '' ? [missingField('mode')] : []),
      ...(['', 'Proxy', 'Serve'].includes(mode) ? [] : [invalidValue(mode, 'mode')]),
      ...(numActivators < 0 ? [invalidValue(numActivators, 'numActivators')] : []),
      ...below('objectRef', scaleTargetErrors(objectRef)),
      ...below('protocolType', protocolErrors(protocolType)),
    ]),
  ];
}
