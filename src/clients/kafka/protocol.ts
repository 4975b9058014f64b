import type { Socket } from 'node:net';
import type { KafkaMessage } from '../../events/kafka-binding.ts';
import type { Assignment } from './divide.ts';
import { lz4, snappy, zstd, type Codec } from './compression.ts';

/** One broker's requests, each answered or rejected with the first error code in the answer (`type`). */
export type Broker = {
  readonly connectionPool: ConnectionPool;
  connect(): Promise<void>;
  apiVersions(): Promise<unknown>;
  metadata(topics: readonly string[]): Promise<Metadata>;
  produce(request: {
    readonly acks: -1;
    readonly timeout: number;
    readonly topicData: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly messages: readonly KafkaMessage[];
      }[];
    }[];
  }): Promise<{
    readonly topics: readonly { readonly partitions: readonly { readonly baseOffset: string }[] }[];
  }>;
  fetch(request: {
    readonly isolationLevel: 1;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }[];
    }[];
  }): Promise<{
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly FetchedPartition[];
    }[];
  }>;
  listOffsets(request: {
    readonly isolationLevel: 1;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[];
    }[];
  }): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[];
  }>;
  findGroupCoordinator(request: { readonly groupId: string; readonly coordinatorType: 0 }): Promise<{
    readonly coordinator: { readonly nodeId: number; readonly host: string; readonly port: number };
  }>;
  joinGroup(request: {
    readonly groupId: string;
    readonly sessionTimeout: number;
    readonly rebalanceTimeout: number;
    readonly memberId: string;
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
  }): Promise<{
    readonly generationId: number;
    readonly leaderId: string;
    readonly memberId: string;
    readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[];
  }>;
  syncGroup(request: {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
  }): Promise<{ readonly memberAssignment: Buffer }>;
  heartbeat(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
  }): Promise<unknown>;
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly offset: string;
        readonly metadata: string;
      }[];
    }[];
  }): Promise<unknown>;
  offsetFetch(request: {
    readonly groupId: string;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number }[];
    }[];
  }): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly offset: string;
        readonly metadata: string | null;
      }[];
    }[];
  }>;
  describeGroups(request: { readonly groupIds: readonly string[] }): Promise<{
    readonly groups: readonly { readonly members: readonly { readonly memberId: string }[] }[];
  }>;
  listGroups(): Promise<{ readonly groups: readonly { readonly groupId: string }[] }>;
  deleteGroups(groups: readonly string[]): Promise<{
    readonly results: readonly { readonly groupId: string; readonly error?: Error }[];
  }>;
  createTopics(request: { readonly topics: readonly NewTopic[] }): Promise<unknown>;
  createPartitions(request: {
    readonly topicPartitions: readonly { readonly topic: string; readonly count: number }[];
  }): Promise<unknown>;
  deleteTopics(request: { readonly topics: readonly string[] }): Promise<unknown>;
  deleteRecords(request: {
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[];
  }): Promise<unknown>;
  describeConfigs(request: {
    readonly resources: readonly {
      readonly type: 2;
      readonly name: string;
      readonly configNames: readonly string[];
    }[];
  }): Promise<{
    readonly resources: readonly {
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  }>;
};

export type NewTopic = {
  readonly topic: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configEntries: readonly { readonly name: string; readonly value: string }[];
};

export type Metadata = {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly partitionMetadata: readonly {
      readonly partitionId: number;
      readonly leader: number;
      readonly replicas: readonly number[];
    }[];
  }[];
};

export type FetchedPartition = {
  readonly partition: number;
  readonly lastStableOffset: string;
  readonly abortedTransactions: readonly unknown[];
  readonly messages: readonly FetchedRecord[];
};

export type FetchedRecord = {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: KafkaMessage['headers'];
  readonly isControlRecord: boolean;
};

export type PoolConnection = {
  connect(): Promise<unknown>;
  readonly requestQueue: {
    readonly pending: readonly unknown[];
    readonly throttledUntil: number;
    throttleCheckTimeoutId: NodeJS.Timeout | null;
    checkPendingRequests(): void;
    scheduleCheckPendingRequests: () => void;
    readonly inflight: ReadonlyMap<
      number,
      { readonly sentAt: number; readonly requestTimeout: number; timeoutRequest(): void }
    >;
    requestTimeoutIntervalId: NodeJS.Timeout | null;
    isConnected(): boolean;
    /** Ends its timers. */
    destroy(): void;
    scheduleRequestTimeoutCheck: () => void;
  };
};

export type ConnectionPool = { readonly pool: readonly PoolConnection[] };

export type SilentLogger = Readonly<Record<'info' | 'error' | 'warn' | 'debug', () => void>> & {
  readonly namespace: () => SilentLogger;
};

export type ConnectionPoolClass = new (options: {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly ssl: object | null;
  readonly sasl: object | null;
  readonly socketFactory: (target: {
    readonly host: string;
    readonly port: number;
    readonly ssl: object | null;
    readonly onConnect: () => void;
  }) => Socket;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly logger: SilentLogger;
}) => ConnectionPool;

export type BrokerClass = new (options: {
  readonly connectionPool: ConnectionPool;
  readonly logger: SilentLogger;
  readonly nodeId: number | null;
  readonly authenticationTimeout: number;
  readonly allowAutoTopicCreation: boolean;
}) => Broker;

export type AssignerProtocol = {
  readonly MemberMetadata: {
    encode(subscribed: { readonly version: number; readonly topics: readonly string[] }): Buffer;
    decode(buffer: Buffer): { readonly topics: readonly string[] };
  };
  readonly MemberAssignment: {
    encode(assigned: { readonly version: number; readonly assignment: Assignment }): Buffer;
    decode(buffer: Buffer): { readonly assignment: Assignment } | null;
  };
};

export type FilterAborted = (fetched: {
  readonly messages: readonly FetchedRecord[];
  readonly abortedTransactions: readonly unknown[];
}) => readonly FetchedRecord[];

/** The place where kafkajs wants its codecs put, by the number that stands for them in a batch. */
type Compression = {
  readonly Types: Readonly<Record<'Snappy' | 'LZ4' | 'ZSTD', number>>;
  readonly Codecs: Record<number, () => Codec>;
};

/** What is loaded of kafkajs, once a Kafka channel is there. */
export type Protocol = {
  readonly Broker: BrokerClass;
  readonly ConnectionPool: ConnectionPoolClass;
  readonly assigner: AssignerProtocol;
  readonly filterAborted: FilterAborted;
};

/**
 * kafkajs speaks the protocol well, and is maintained no more: its consumer delivers between heartbeats, cannot fetch
 * without a group, and hides what became of a commit. So only its protocol is used, and what stands on it is ours.
 */
export async function loadProtocol(): Promise<Protocol> {
  const [broker, pool, assigner, filter, compression] = await Promise.all([
    import('kafkajs/src/broker/index.js'),
    import('kafkajs/src/network/connectionPool.js'),
    import('kafkajs/src/consumer/assignerProtocol.js'),
    import('kafkajs/src/consumer/filterAbortedMessages.js'),
    import('kafkajs/src/protocol/message/compression/index.js'),
  ]);
  const { Types, Codecs } = compression.default as Compression;
  Object.assign(Codecs, { [Types.Snappy]: () => snappy, [Types.LZ4]: () => lz4, [Types.ZSTD]: () => zstd });
  return {
    Broker: broker.default as BrokerClass,
    ConnectionPool: pool.default as ConnectionPoolClass,
    assigner: assigner.default as AssignerProtocol,
    filterAborted: filter.default as FilterAborted,
  };
}
