import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { Status } from '../../duck.ts';
import { missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { int64, openObject, text } from '../../schema.ts';
import { isEmpty, LEGACY_WEBHOOK, legacyKind, READY_COLUMNS, referenceThen } from '../legacy-kind.ts';
import { CLUSTER_CHANNEL_PROVISIONER, EVENTING_THEN } from './cluster-channel-provisioner.ts';

const subscriber = Type.Object(
  {
    ref: Type.Optional(openObject('The Subscription.')),
    subscriberURI: Type.Optional(text('Where the events go.')),
    replyURI: Type.Optional(text('Where the answers go.')),
  },
  { description: 'One subscriber.' },
);

const channelSpec = Type.Object(
  {
    generation: Type.Optional(int64('Not used.')),
    provisioner: Type.Optional(referenceThen('The ClusterChannelProvisioner.')),
    arguments: Type.Optional(openObject('What it is told, beside.')),
    subscribable: Type.Optional(
      Type.Object(
        { subscribers: Type.Optional(Type.Array(subscriber, { description: 'Who is subscribed.' })) },
        { description: 'Was written by the controller of Subscriptions; nothing is made of it.' },
      ),
    ),
  },
  { description: 'What is desired.' },
);

/** Where events were published with Knative 0.2 (eventing v0.2.0, channel_types.go). */
export type ProvisionedChannel = Resource & {
  readonly spec?: Static<typeof channelSpec>;
  readonly status?: Status & { readonly address?: { readonly hostname?: string; readonly url?: string } };
};

export const PROVISIONED_CHANNEL = { apiVersion: EVENTING_THEN, kind: 'Channel' };

export const PROVISIONED_CHANNEL_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['Provisioned', 'Addressable'],
};

/** What v0.2 shipped in its ConfigMap `default-channel-webhook`. */
const DEFAULT_PROVISIONER = { ...CLUSTER_CHANNEL_PROVISIONER, name: 'in-memory-channel' };

export const provisionedChannelKind: KindDefinition<ProvisionedChannel> = legacyKind<ProvisionedChannel>(
  {
    group: 'eventing.knative.dev',
    kind: 'Channel',
    plural: 'channels',
    singular: 'channel',
    shortNames: ['chan'],
    webhook: LEGACY_WEBHOOK,
  },
  {
    spec: channelSpec,
    status: {
      address: Type.Optional(
        Type.Object(
          {
            hostname: Type.Optional(text('Its host name inside the cluster.')),
            url: Type.Optional(text('Where it answers.')),
          },
          { description: 'Where events are published.' },
        ),
      ),
    },
    columns: READY_COLUMNS,
    setDefaults: (channel) =>
      channel.spec?.provisioner === undefined
        ? { ...channel, spec: { ...channel.spec, provisioner: DEFAULT_PROVISIONER } }
        : channel,
    validate: channelErrors,
    warn: ({ spec }) =>
      (spec?.subscribable?.subscribers ?? []).length === 0
        ? []
        : ['spec.subscribable: nothing is made of it; who is subscribed is said by Subscriptions'],
  },
);

/** channel_validation.go. */
function channelErrors({ spec }: ProvisionedChannel, { old }: AdmissionContext): FieldError[] {
  const { provisioner, subscribable } = spec ?? {};
  const subscribers = subscribable?.subscribers ?? [];
  const without = subscribers.flatMap(({ subscriberURI, replyURI }, i) => {
    const path = `spec.subscribable.subscriber[${i}]`;
    return subscriberURI || replyURI
      ? []
      : [
          {
            ...missingField(`${path}.replyURI`, `${path}.subscriberURI`),
            details: 'expected at least one of, got none',
          },
        ];
  });
  const errors = [...(isEmpty(provisioner) ? [missingField('spec.provisioner')] : []), ...without];
  const before = (old as ProvisionedChannel | undefined)?.spec?.provisioner;
  const isChanged =
    before !== undefined && JSON.stringify(nameOf(before)) !== JSON.stringify(nameOf(provisioner));
  return isChanged
    ? [...errors, { message: 'Immutable fields changed', paths: ['spec.provisioner'] }]
    : errors;
}

function nameOf({
  apiVersion = '',
  kind = '',
  name = '',
}: { apiVersion?: string; kind?: string; name?: string } = {}) {
  return [apiVersion, kind, name];
}
