import Type, { type TSchema } from 'typebox';
import type { BackingChannel } from '../duck.ts';
import { deliveryErrors } from '../delivery.ts';
import { below, disallowedField, invalidValue } from '../field-error.ts';
import { shortDiff } from '../short-diff.ts';
import type { AdmissionContext, FieldError, KindDefinition, PrinterColumn } from '../kind.ts';
import { AGE } from '../core/core-kinds.ts';
import { addressable, delivery, int64, statusFields, text } from '../schema.ts';

/** What all channel kinds share (eventing pkg/apis/duck/v1/channelable_types.go). */
const subscriber = Type.Object(
  {
    uid: Type.Optional(text('The uid of the Subscription.')),
    generation: Type.Optional(int64('Its generation.')),
    name: Type.Optional(text('Its name.')),
    namespace: Type.Optional(text('Its namespace.')),
    subscriberUri: Type.Optional(text('Where events are delivered to.')),
    subscriberCACerts: Type.Optional(text('PEM certificates of the subscriber.')),
    subscriberAudience: Type.Optional(text('OIDC audience of the subscriber.')),
    replyUri: Type.Optional(text('Where replies go.')),
    replyCACerts: Type.Optional(text('PEM certificates of the reply destination.')),
    replyAudience: Type.Optional(text('OIDC audience of the reply destination.')),
    delivery: Type.Optional(delivery),
  },
  { description: 'One subscriber.', 'x-kubernetes-preserve-unknown-fields': true },
);

export const channelableSpec = {
  delivery: Type.Optional(delivery),
  subscribers: Type.Optional(
    Type.Array(subscriber, { description: 'Who is subscribed; written by controllers.' }),
  ),
};

export const channelableStatus = {
  ...statusFields,
  address: Type.Optional(addressable),
  addresses: Type.Optional(Type.Array(addressable, { description: 'All addresses.' })),
  deadLetterSinkUri: Type.Optional(text('The resolved dead letter sink.')),
  subscribers: Type.Optional(
    Type.Array(
      Type.Object({
        uid: Type.Optional(text('The uid of the Subscription.')),
        observedGeneration: Type.Optional(int64('The generation that this speaks of.')),
        ready: Type.Optional(text('True, False or Unknown.')),
        message: Type.Optional(text('Why not, if not.')),
      }),
      { description: 'How it stands with each subscriber.' },
    ),
  ),
};

export const CHANNEL_COLUMNS: readonly PrinterColumn[] = [
  { name: 'URL', type: 'string', from: '.status.address.url' },
  AGE,
  { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
];

export const WEBHOOK = 'validation.webhook.eventing.knative.dev';
const SUBSCRIBABLE = 'messaging.knative.dev/subscribable';
export const CONTROLLER_USER = 'system:serviceaccount:knative-eventing:eventing-controller';

/** A backing channel kind: one that keeps events itself. What it has of its own is handed in. */
export function backingKind<R extends BackingChannel = BackingChannel>(
  names: Pick<KindDefinition, 'kind' | 'plural' | 'singular' | 'shortNames' | 'versions'> & {
    readonly group?: string;
    readonly categories?: readonly string[];
  },
  own: {
    readonly spec?: Readonly<Record<string, TSchema>>;
    readonly columns?: readonly PrinterColumn[];
    readonly setDefaults?: (channel: R) => R;
    readonly validate?: (channel: R, old: R | undefined) => readonly FieldError[];
  } = {},
): KindDefinition<R> {
  return {
    group: 'messaging.knative.dev',
    categories: ['all', 'knative', 'messaging', 'channel'],
    ...names,
    scope: 'Namespaced',
    schema: Type.Object({
      spec: Type.Optional(
        Type.Object({ ...own.spec, ...channelableSpec }, { description: 'What is desired.' }),
      ),
      status: Type.Optional(Type.Object(channelableStatus, { description: 'What there is.' })),
    }),
    columns: own.columns ?? CHANNEL_COLUMNS,
    subresources: { status: true },
    crd: { labels: CRD_LABELS, annotations: {} },
    webhook: WEBHOOK,
    setDefaults: (channel) => own.setDefaults?.(withSubscribable(channel)) ?? withSubscribable(channel),
    validate: (channel, context) => [
      ...(own.validate?.(channel, context.old as R | undefined) ?? []),
      ...below('spec.delivery', deliveryErrors(channel.spec?.delivery)),
      ...annotationErrors(channel.metadata.annotations ?? {}),
      ...subscriberErrors(channel, context),
    ],
  };
}

export const CRD_LABELS = {
  'knative.dev/crd-install': 'true',
  'messaging.knative.dev/subscribable': 'true',
  'duck.knative.dev/addressable': 'true',
};

export function withSubscribable<R extends BackingChannel>(channel: R): R {
  const annotations = { ...channel.metadata.annotations, [SUBSCRIBABLE]: 'v1' };
  return { ...channel, metadata: { ...channel.metadata, annotations }, spec: channel.spec ?? {} };
}

/** Only the eventing controller writes subscribers (in_memory_channel_validation.go). */
function subscriberErrors(channel: BackingChannel, { old, user }: AdmissionContext): FieldError[] {
  const before = (old as BackingChannel | undefined)?.spec?.subscribers ?? [];
  const after = channel.spec?.subscribers ?? [];
  const details = shortDiff('{[]v1.SubscriberSpec}', before, after);
  if (user === CONTROLLER_USER || details === '') return [];
  if (old === undefined) return [disallowedField('spec.subscribers')];
  const message = `Channel.Spec.Subscribers changed by user ${user} which was not the ${CONTROLLER_USER} service account`;
  return [{ message, paths: ['spec.subscribers'], details }];
}

/** What every broker takes as a name. */
const BROKER_NAME = /^[A-Za-z][\w.-]{2,199}$/;
const BROKER_NAME_TEXT = '3 to 200 letters, digits, dots, dashes and underscores, the first a letter';

/** The knobs of contract.md that a channel or a Subscription carries as annotations. */
export function annotationErrors(annotations: Readonly<Record<string, string>>): FieldError[] {
  const rules: readonly (readonly [string, RegExp, string])[] = [
    ['kafka.eventing.knative.dev/delivery.order', /^(?:ordered|unordered)$/, 'ordered or unordered'],
    ['delivery.millrace.dev/max-in-flight', /^[1-9]\d{0,5}$/, 'a whole number from 1 to 999999'],
    ['delivery.millrace.dev/max-backlog-bytes', /^[1-9]\d{0,14}$/, 'a whole number of bytes above 0'],
    [
      'delivery.millrace.dev/start',
      /^(?:latest|earliest|\d{4}-\d\d-\d\dT\S+)$/,
      'latest, earliest or an RFC 3339 time',
    ],
    ['delivery.millrace.dev/consumer-group', BROKER_NAME, BROKER_NAME_TEXT],
    ['messaging.millrace.dev/external-name', BROKER_NAME, BROKER_NAME_TEXT],
    ['kafka.eventing.knative.dev/external.topic', BROKER_NAME, BROKER_NAME_TEXT],
  ];
  return rules.flatMap(([name, pattern, expected]) => {
    const value = annotations[name];
    return value === undefined || pattern.test(value)
      ? []
      : [invalidValue(value, `metadata.annotations[${name}]`, `expected ${expected}`)];
  });
}
