import Type from 'typebox';
import type { DeliverySpec, Destination, KReference, Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';
import { delivery, destination, objectReference, statusFields, text } from '../../schema.ts';

export const subscriptionSchema = Type.Object({
  spec: Type.Optional(
    Type.Object(
      {
        channel: Type.Optional(objectReference),
        subscriber: Type.Optional(destination('Who gets the events.')),
        reply: Type.Optional(destination('Where the answers of the subscriber go.')),
        delivery: Type.Optional(delivery),
      },
      { description: 'What is desired.' },
    ),
  ),
  status: Type.Optional(
    Type.Object(
      {
        ...statusFields,
        physicalSubscription: Type.Optional(
          Type.Object(
            {
              subscriberUri: Type.Optional(text('Where events really go.')),
              subscriberCACerts: Type.Optional(text('PEM certificates of the subscriber.')),
              subscriberAudience: Type.Optional(text('OIDC audience of the subscriber.')),
              replyUri: Type.Optional(text('Where replies really go.')),
              replyCACerts: Type.Optional(text('PEM certificates of the reply destination.')),
              replyAudience: Type.Optional(text('OIDC audience of the reply destination.')),
              deadLetterSinkUri: Type.Optional(text('Where dead letters really go.')),
              deadLetterSinkCACerts: Type.Optional(text('PEM certificates of the dead letter sink.')),
              deadLetterSinkAudience: Type.Optional(text('OIDC audience of the dead letter sink.')),
            },
            { description: 'The resolved addresses.' },
          ),
        ),
      },
      { description: 'What there is.' },
    ),
  ),
});

export type PhysicalSubscription = {
  readonly subscriberUri?: string;
  readonly replyUri?: string;
  readonly deadLetterSinkUri?: string;
};

export type Subscription = Resource & {
  readonly spec: {
    readonly channel: KReference;
    readonly subscriber?: Destination;
    readonly reply?: Destination;
    readonly delivery?: DeliverySpec;
  };
  readonly status?: Status & { readonly physicalSubscription?: PhysicalSubscription };
};
