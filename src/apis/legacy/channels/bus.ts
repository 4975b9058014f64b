import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { openObject, text } from '../../schema.ts';
import { configKeyErrors } from '../field-errors.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';

export const CHANNELS_GROUP = 'channels.knative.dev';

const parameters = (description: string) =>
  Type.Array(
    Type.Object({
      name: Type.Optional(text('Name of the parameter.')),
      description: Type.Optional(text('What it is for.')),
      default: Type.Optional(
        text('Its value when no argument gives one; without it an argument is required.'),
      ),
    }),
    { description },
  );

const busSpec = Type.Object(
  {
    parameters: Type.Optional(
      Type.Object(
        {
          channel: Type.Optional(parameters('What channels of this bus are configured by.')),
          subscription: Type.Optional(parameters('What subscriptions to them are configured by.')),
        },
        { description: 'Which arguments channels and subscriptions give.' },
      ),
    ),
    provisioner: Type.Optional(openObject('The container that provisioned; nothing is run of it.')),
    dispatcher: Type.Optional(openObject('The container that dispatched; nothing is run of it.')),
    volumes: Type.Optional(
      Type.Array(openObject('A volume.'), { description: 'Volumes of these containers.' }),
    ),
  },
  { description: 'What is desired.' },
);

export type BusParameters = NonNullable<Static<typeof busSpec>['parameters']>;
export type Parameter = NonNullable<BusParameters['channel']>[number];

/** Which middleware keeps the events of its channels; its name says which (eventing 540e45168, bus_types.go). */
export type Bus = Resource & { readonly spec?: Static<typeof busSpec> };

export const BUS = { apiVersion: `${CHANNELS_GROUP}/v1alpha1`, kind: 'Bus' };
export const CLUSTER_BUS = { ...BUS, kind: 'ClusterBus' };

export const BUS_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['Serviceable', 'Provisioning', 'Dispatching'],
};

export const busKind: KindDefinition<Bus> = legacyKind<Bus>(
  { group: CHANNELS_GROUP, kind: 'Bus', plural: 'buses', singular: 'bus', webhook: LEGACY_WEBHOOK },
  { spec: busSpec, validate: busErrors },
);

export const clusterBusKind: KindDefinition<Bus> = legacyKind<Bus>(
  {
    group: CHANNELS_GROUP,
    kind: 'ClusterBus',
    plural: 'clusterbuses',
    singular: 'clusterbus',
    scope: 'Cluster',
    webhook: LEGACY_WEBHOOK,
  },
  { spec: busSpec, validate: busErrors },
);

/** bus_validation.go. */
function busErrors({ spec }: Bus): FieldError[] {
  return (['channel', 'subscription'] as const).flatMap((of) =>
    (spec?.parameters?.[of] ?? []).flatMap(({ name = '' }, i) =>
      configKeyErrors(name, `spec.parameters.${of}[${i}].name`),
    ),
  );
}
