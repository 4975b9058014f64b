import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { Addressable, Status } from '../../duck.ts';
import { oneOf } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { addressable, text } from '../../schema.ts';
import { both, immutableThen, keyNameErrors } from '../field-errors.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';
import { CHANNELS_GROUP } from './bus.ts';

export const argumentList = Type.Array(
  Type.Object({
    name: Type.Optional(text('Name of the parameter.')),
    value: Type.Optional(text('Its value.')),
  }),
  { description: 'Values for the parameters of the bus.' },
);

export type Argument = Static<typeof argumentList>[number];

const channelSpec = Type.Object(
  {
    bus: Type.Optional(text('The Bus of the same namespace.')),
    clusterBus: Type.Optional(text('The ClusterBus.')),
    arguments: Type.Optional(argumentList),
  },
  { description: 'What is desired.' },
);

const local = (description: string) =>
  Type.Optional(Type.Object({ name: Type.Optional(text('Its name.')) }, { description }));

/** Where events were published in July 2018 (eventing 540e45168, channel_types.go). */
export type BusChannel = Resource & {
  readonly spec?: Static<typeof channelSpec>;
  readonly status?: Status & { readonly domainInternal?: string; readonly address?: Addressable };
};

export const BUS_CHANNEL = { apiVersion: `${CHANNELS_GROUP}/v1alpha1`, kind: 'Channel' };

export const BUS_CHANNEL_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['Provisioned', 'Serviceable', 'Routeable'],
};

export const busChannelKind: KindDefinition<BusChannel> = legacyKind<BusChannel>(
  {
    group: CHANNELS_GROUP,
    kind: 'Channel',
    plural: 'channels',
    singular: 'channel',
    webhook: LEGACY_WEBHOOK,
  },
  {
    spec: channelSpec,
    status: {
      service: local('The Service that had its name.'),
      virtualService: local('The VirtualService that led to its bus.'),
      domainInternal: Type.Optional(text('Its host name inside the cluster.')),
      address: Type.Optional(addressable),
    },
    validate: channelErrors,
  },
);

/** channel_validation.go. */
function channelErrors({ spec }: BusChannel, { old }: AdmissionContext): FieldError[] {
  const { bus = '', clusterBus = '' } = spec ?? {};
  if (bus !== '' && clusterBus !== '') return [both('spec.bus', 'spec.clusterBus')];
  if (bus === '' && clusterBus === '') return [oneOf('spec.bus', 'spec.clusterBus')];
  const named = bus === '' ? keyNameErrors(clusterBus, 'spec.clusterBus') : keyNameErrors(bus, 'spec.bus');
  const before = (old as BusChannel | undefined)?.spec;
  const changed =
    old === undefined
      ? []
      : immutableThen(
          '{v1alpha1.ChannelSpec}',
          { bus: before?.bus ?? '', clusterBus: before?.clusterBus ?? '' },
          { bus, clusterBus },
        );
  return [...named, ...changed];
}
