import type { KindName } from '../control/resource-client.ts';

const ALPHA = 'messaging.knative.dev/v1alpha1';

/** Where the events of a channel are kept when neither the name of its bus nor that of its provisioner says it. */
export const ANY_BACKING: KindName = { apiVersion: ALPHA, kind: 'LogChannel' };

const MEMORY = { apiVersion: 'messaging.knative.dev/v1', kind: 'InMemoryChannel' };
const KAFKA = { apiVersion: 'messaging.knative.dev/v1beta1', kind: 'KafkaChannel' };
const RABBITMQ = { apiVersion: ALPHA, kind: 'RabbitmqChannel' };
const PUBSUB = { apiVersion: ALPHA, kind: 'PubSubChannel' };

/** The names under which buses (eventing 540e45168, config/buses) and provisioners (v0.2.0, config/provisioners) were shipped. */
const SHIPPED: ReadonlyMap<string, KindName> = new Map([
  ['stub', MEMORY],
  ['in-memory', MEMORY],
  ['in-memory-channel', MEMORY],
  ['kafka', KAFKA],
  ['kafka-channel', KAFKA],
  ['rabbitmq', RABBITMQ],
  ['gcppubsub', PUBSUB],
  ['gcp-pubsub', PUBSUB],
]);

/** The channel kind that a bus or provisioner of this name stands for; these need no object. */
export const shippedBacking = (name: string): KindName | undefined => SHIPPED.get(name);

export const backingNamed = (name: string): KindName => shippedBacking(name) ?? ANY_BACKING;

/** `spec` of a channel of that kind, from the arguments of then; or what is wrong with them. */
export function backingSpec(
  { kind }: KindName,
  given: ReadonlyMap<string, string>,
): { readonly spec?: Readonly<Record<string, unknown>>; readonly fault?: string } {
  const partitions = given.get('NumPartitions');
  if (kind !== KAFKA.kind || partitions === undefined) return {};
  return /^[1-9]\d{0,5}$/.test(partitions)
    ? { spec: { numPartitions: Number(partitions) } }
    : {
        fault: `argument NumPartitions: expected a whole number from 1 to 999999, got ${JSON.stringify(partitions)}`,
      };
}
