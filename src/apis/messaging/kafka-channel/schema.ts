import Type from 'typebox';
import { AGE } from '../../core/core-kinds.ts';
import type { BackingChannel } from '../../duck.ts';
import type { PrinterColumn } from '../../kind.ts';
import { int32, text } from '../../schema.ts';

export const kafkaSpec = {
  numPartitions: Type.Optional(int32('Partitions of the topic.')),
  replicationFactor: Type.Optional(int32('Replicas of each partition, from 1 to 32767.')),
  retentionDuration: Type.Optional(text('How long Kafka keeps an event, as an ISO 8601 duration.')),
};

export type KafkaChannel = BackingChannel & {
  readonly spec?: {
    readonly numPartitions?: number;
    readonly replicationFactor?: number;
    readonly retentionDuration?: string;
  };
};

export const KAFKA_COLUMNS: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
  { name: 'URL', type: 'string', from: '.status.address.url' },
  AGE,
];
