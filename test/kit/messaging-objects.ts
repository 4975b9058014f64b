export const MESSAGING = 'messaging.knative.dev/v1';
export const CHANNEL = { apiVersion: MESSAGING, kind: 'Channel' };
export const MEMORY = { apiVersion: MESSAGING, kind: 'InMemoryChannel' };
export const LOG = { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'LogChannel' };
export const SUBSCRIPTION = { apiVersion: MESSAGING, kind: 'Subscription' };

type Annotations = Readonly<Record<string, string>>;

/** Objects in `default`, as a user writes them. */
export const aChannel = (name: string, spec?: object, annotations: Annotations = {}): object => ({
  ...CHANNEL,
  metadata: { name, namespace: 'default', annotations },
  ...(spec && { spec }),
});

export const aMemoryChannel = (name: string, spec?: object): object => ({
  ...MEMORY,
  metadata: { name, namespace: 'default' },
  ...(spec && { spec }),
});

export const aSubscription = (name: string, spec: object = {}, annotations: Annotations = {}): object => ({
  ...SUBSCRIPTION,
  metadata: { name, namespace: 'default', annotations },
  spec: {
    channel: { ...CHANNEL, name: 'orders' },
    subscriber: { uri: 'http://one.example/' },
    ...spec,
  },
});

export const KAFKA = { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel' };
export const RABBITMQ = { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'RabbitmqChannel' };
export const PUBSUB = { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'PubSubChannel' };
export const GOOGLE = { apiVersion: 'messaging.cloud.google.com/v1beta1', kind: 'Channel' };

/** A channel of any kind in `default`. */
export const aBacking = (
  kind: { readonly apiVersion: string; readonly kind: string },
  name: string,
  spec: object = {},
  annotations: Annotations = {},
): object => ({ ...kind, metadata: { name, namespace: 'default', annotations }, spec });
