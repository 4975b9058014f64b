import { backingKind } from '../channelable.ts';

/** Millrace's own kind, in the shape of InMemoryChannel: its events are in an exchange and queues of RabbitMQ. */
export const rabbitmqChannelKind = backingKind({
  kind: 'RabbitmqChannel',
  plural: 'rabbitmqchannels',
  singular: 'rabbitmqchannel',
  shortNames: ['rmqc'],
  versions: ['v1alpha1'],
});
