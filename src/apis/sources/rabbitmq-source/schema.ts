import Type from 'typebox';
import { int32, text } from '../../schema.ts';
import type { SourceObject } from '../source-kind.ts';

export const PARALLELISM_MAX = 1000;

export const rabbitmqSourceSpec = {
  rabbitmqClusterReference: Type.Object(
    {
      name: Type.Optional(text('Name of a RabbitmqCluster. Mutually exclusive with connectionSecret.')),
      namespace: Type.Optional(
        text('Where the RabbitmqCluster or the Secret is; that of the source when absent.'),
      ),
      connectionSecret: Type.Optional(
        Type.Object(
          { name: Type.Optional(text('Name of the Secret.')) },
          { description: 'A Secret with uri, username and password; port and ca.crt where needed.' },
        ),
      ),
    },
    { description: 'Which RabbitMQ.' },
  ),
  rabbitmqResourcesConfig: Type.Optional(
    Type.Object(
      {
        vhost: Type.Optional(text('The virtual host; that of the connection when absent.')),
        exchangeName: Type.Optional(text('What the queue is bound to. Required unless predeclared.')),
        queueName: Type.Optional(text('The queue that is read.')),
        predeclared: Type.Optional(
          Type.Boolean({ description: 'Exchange and queue are there, and are used as they are.' }),
        ),
        parallelism: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: PARALLELISM_MAX,
            description: 'How many messages are in work at a time; 1 keeps their order.',
          }),
        ),
      },
      { description: 'Exchange and queue.' },
    ),
  ),
  delivery: Type.Optional(
    Type.Object(
      {
        retry: Type.Optional(int32('How often a message is tried again; for ever when absent.')),
        backoffPolicy: Type.Optional(text('linear or exponential.')),
        backoffDelay: Type.Optional(text('ISO 8601 duration before it is tried again.')),
      },
      { description: 'How often and when a message is tried again.' },
    ),
  ),
  serviceAccountName: Type.Optional(text('Not used.')),
  adapterContainerName: Type.Optional(text('Not used.')),
};

export type RabbitmqSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly rabbitmqClusterReference: {
      readonly name?: string;
      readonly namespace?: string;
      readonly connectionSecret?: { readonly name?: string };
    };
    readonly rabbitmqResourcesConfig: {
      readonly vhost?: string;
      readonly exchangeName?: string;
      readonly queueName: string;
      readonly predeclared?: boolean;
      readonly parallelism?: number;
    };
    readonly delivery?: {
      readonly retry?: number;
      readonly backoffPolicy?: 'linear' | 'exponential';
      readonly backoffDelay?: string;
    };
  };
};

export const RABBITMQ_SOURCE = { apiVersion: 'sources.knative.dev/v1alpha1', kind: 'RabbitmqSource' };
