import Type from 'typebox';
import type { DeliverySpec } from '../../duck.ts';
import { delivery, int32, text } from '../../schema.ts';
import { optionalValue, secretValue, type SecretKeyRef, type SourceObject } from '../source-kind.ts';

/** What the key of a record is taken for (eventing-kafka-broker control-plane/pkg/apis/sources/v1/kafka_types.go). */
export const KEY_TYPE_LABEL = 'kafkasources.sources.knative.dev/key-type';
export const KEY_TYPES = ['string', 'int', 'float', 'byte-array'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

const optionalSecret = (description: string) => Type.Optional(secretValue(description, optionalValue));

const net = Type.Object(
  {
    sasl: Type.Optional(
      Type.Object(
        {
          enable: Type.Optional(Type.Boolean({ description: 'Whether SASL is used.' })),
          user: optionalSecret('The user.'),
          password: optionalSecret('The password.'),
          type: optionalSecret('PLAIN, which is the default, SCRAM-SHA-256 or SCRAM-SHA-512.'),
        },
        { description: 'Who we are, by a password.' },
      ),
    ),
    tls: Type.Optional(
      Type.Object(
        {
          enable: Type.Optional(Type.Boolean({ description: 'Whether TLS is used.' })),
          cert: optionalSecret('The certificate of the client, in PEM.'),
          key: optionalSecret('Its private key, in PEM.'),
          caCert: optionalSecret('The CA of the brokers, in PEM; those that everybody trusts when absent.'),
        },
        { description: 'TLS, and who we are by a certificate.' },
      ),
    ),
  },
  { description: 'How the brokers are convinced.' },
);

export const kafkaSourceSpec = {
  bootstrapServers: Type.Optional(
    Type.Array(Type.String(), { description: 'host:port of brokers that are asked first.' }),
  ),
  topics: Type.Optional(Type.Array(Type.String(), { description: 'The topics that are read.' })),
  consumerGroup: Type.Optional(text('The consumer group; immutable. A name of its own when absent.')),
  consumers: Type.Optional(int32('How much is in work at a time, times 50; 0 reads nothing.')),
  initialOffset: Type.Optional(text('Where a new group begins: latest or earliest.')),
  ordering: Type.Optional(text('ordered: the records of a partition one after the other; or unordered.')),
  net: Type.Optional(net),
  delivery: Type.Optional(delivery),
};

export const kafkaSourceStatus = {
  consumers: Type.Optional(int32('Members of the consumer group in this platform.')),
  selector: Type.Optional(text('For the scale subresource.')),
  claims: Type.Optional(text('The partitions that are read here.')),
  maxAllowedVReplicas: Type.Optional(int32('Not used.')),
  placements: Type.Optional(
    Type.Array(
      Type.Object({
        podName: Type.Optional(text('Where it runs.')),
        vreplicas: Type.Optional(int32('How many consumers run there.')),
      }),
      { description: 'Where consumers run.' },
    ),
  ),
};

export type SecretValue = { readonly secretKeyRef?: Partial<SecretKeyRef> & { readonly optional?: boolean } };

export type KafkaSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly bootstrapServers?: readonly string[];
    readonly topics?: readonly string[];
    readonly consumerGroup?: string;
    readonly consumers?: number;
    readonly initialOffset?: 'latest' | 'earliest';
    readonly ordering?: 'ordered' | 'unordered';
    readonly net?: {
      readonly sasl?: {
        readonly enable?: boolean;
        readonly user?: SecretValue;
        readonly password?: SecretValue;
        readonly type?: SecretValue;
      };
      readonly tls?: {
        readonly enable?: boolean;
        readonly cert?: SecretValue;
        readonly key?: SecretValue;
        readonly caCert?: SecretValue;
      };
    };
    readonly delivery?: DeliverySpec;
  };
};

export const KAFKA_SOURCE = { apiVersion: 'sources.knative.dev/v1', kind: 'KafkaSource' };
